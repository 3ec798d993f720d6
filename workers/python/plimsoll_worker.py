"""The worker side of Plimsoll's runner contract for Python: one file, standard library only, Python 3.8 or newer.

    from plimsoll_worker import serve

    def load(options):
        return open_the_model(options["path"])

    def run(inputs, model):
        return [model(each) for each in inputs]

    serve(load, run)

`run` returns as many outputs as it was given inputs, in their order. An exception in a place fails that item alone; a
raised one fails the batch. Standard output is the scheduler's: prints are sent to standard error, which is kept in
the instance's log. The worker ends when its standard input does.
"""

import json
import os
import sys
import traceback

PROTOCOL = 1


def serve(load, run, unload=None):
    """Answers the scheduler until standard input ends. load(options) -> model; run(inputs, model) -> outputs;
    unload(model), where given, lets go of what is not memory of this process."""
    say = _claim_standard_output()
    model = None
    say({"type": "ready", "protocol": PROTOCOL})
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if message["type"] == "load":
                model = load(message.get("options") or {})
                say(dict({"type": "loaded", "id": message["id"]}, **_resident()))
            elif message["type"] == "run":
                _run_batch(say, message, run, model)
            elif message["type"] == "unload":
                if unload is not None:
                    unload(model)
                model = None
                say({"type": "unloaded", "id": message["id"]})
        except Exception as error:  # whatever a model does, the scheduler is told
            traceback.print_exc()
            say({"type": "error", "id": message["id"], "error": _describe(error)})


def _run_batch(say, message, run, model):
    items = message["items"]
    outputs = list(run([item["input"] for item in items], model))
    if len(outputs) != len(items):
        raise ValueError("run was given %d inputs and returned %d outputs" % (len(items), len(outputs)))
    for item, output in zip(items, outputs):
        answer = {"type": "result", "id": message["id"], "item": item["id"]}
        if isinstance(output, BaseException):
            answer["error"] = _describe(output)
        else:
            answer["output"] = output
        try:
            say(answer)
        except (TypeError, ValueError) as error:  # an output that is not JSON fails its item
            del answer["output"]
            answer["error"] = _describe(error)
            say(answer)
    say(dict({"type": "done", "id": message["id"]}, **_peak(), **_resident()))


def _describe(error):
    described = {"message": "%s: %s" % (type(error).__name__, error)}
    if isinstance(error, (SyntaxError, ImportError, NameError)):
        described["retryable"] = False  # the code itself is broken: another try would end alike
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        described["code"] = "OUT_OF_MEMORY"
    return described


def _peak():
    """Most device memory since the last answer, where torch is in use: what its allocator held, since that is what
    the device shows, and what it keeps for the next batch is held too."""
    cuda = _cuda()
    if cuda is None:
        return {}
    peak = cuda.max_memory_reserved()
    cuda.reset_peak_memory_stats()
    return {"peakBytes": int(peak)}


def _resident():
    """What it holds now."""
    cuda = _cuda()
    return {} if cuda is None else {"residentBytes": int(cuda.memory_reserved())}


def _cuda():
    """torch.cuda where a model uses it. It is never imported from here."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def _claim_standard_output():
    """Keeps the real standard output for answers and sends whatever else is printed, by Python or by libraries in C,
    to standard error."""
    sys.stdout.flush()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def say(message):
        text = json.dumps(message, allow_nan=False, separators=(",", ":"))
        answers.write(text + "\n")
        answers.flush()

    return say
