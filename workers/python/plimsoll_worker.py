"""The worker side of Plimsoll's runner contract for Python: one file, standard library only, Python 3.8 or newer.

    from plimsoll_worker import serve

    def load(options):
        return open_the_model(options["path"])

    def run(inputs, model):
        return [model(each) for each in inputs]

    serve(load, run)

`run` returns as many outputs as it was given inputs, in their order. An exception in a place fails that item alone; a
raised one fails the batch. Outputs may hold what JSON says, numpy's and torch's arrays and scalars, paths, dates and
dataclasses; anything else fails its item by name. Standard output is the scheduler's: prints are sent to standard
error, which is kept in the instance's log. The worker ends when its standard input does.
"""

import dataclasses
import datetime
import json
import os
import pathlib
import sys
import traceback

PROTOCOL = 1


def serve(load, run, unload=None):
    """Answers the scheduler until standard input ends. load(options) -> model; run(inputs, model) -> outputs;
    unload(model), where given, lets go of what is not memory of this process."""
    requests, say = _claim_descriptors()
    model = None
    say({"type": "ready", "protocol": PROTOCOL})
    for line in requests:  # bytes: a line ends at byte 10 and nowhere else, and is UTF-8 whatever the locale says
        message = json.loads(line.decode("utf-8"))
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
        except (TypeError, ValueError, RecursionError) as error:  # an output that JSON cannot say fails its item
            del answer["output"]
            answer["error"] = dict(_describe(error), retryable=False)
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


def _plain(value):
    """What json does not know by itself: numpy's and torch's arrays and scalars as lists and numbers, paths and times
    as text, dataclasses as maps. Everything else is refused by name."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, pathlib.PurePath):
        return str(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError("JSON cannot say a %s" % type(value).__name__)


def _claim_descriptors():
    """Keeps the real standard input and output for the scheduler. Whatever else is printed, by Python or by libraries
    in C, goes to standard error; whatever else reads, a child too, finds an empty input."""
    sys.stdout.flush()
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdin = open(0, closefd=False)
    sys.stdout = sys.stderr
    answers.write(b"\n")  # ends the line of what was printed before

    def say(message):
        text = json.dumps(message, allow_nan=False, default=_plain, separators=(",", ":"))
        answers.write(text.encode("ascii") + b"\n")
        answers.flush()

    return requests, say
