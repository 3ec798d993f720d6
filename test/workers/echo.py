import sys
from plimsoll_worker import serve


def load(options):
    print("a print of the model")
    sys.stdout.write("and another\n")
    if options.get("fail"):
        raise RuntimeError("no weights")
    return options


def run(inputs, model):
    print("{ this looks like an answer")
    return [ValueError("cannot") if each == "bad" else each for each in inputs]


serve(load, run)
