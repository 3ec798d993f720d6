"""The device the models run on, and batches of which some inputs cannot be read."""


def device_of(options):
    """The `device` option, "cuda" by default: the GPU that CUDA_VISIBLE_DEVICES shows first."""
    import torch

    device = options.get("device", "cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            'torch sees no CUDA device. Check nvidia-smi, or set the option "device" to "cpu" (slow).'
        )
    return device


def run_readable(inputs, read, infer):
    """`infer` over all that `read` could read; an input it could not read has the exception as its answer."""
    read_inputs = [_attempt(read, given) for given in inputs]
    whole = [value for value in read_inputs if not isinstance(value, Exception)]
    outputs = iter(infer(whole) if whole else [])
    return [value if isinstance(value, Exception) else next(outputs) for value in read_inputs]


def _attempt(read, given):
    try:
        return read(given)
    except (KeyError, TypeError) as error:
        return ValueError(f"The input lacks {error}.")
    except (OSError, ValueError) as error:
        return error
