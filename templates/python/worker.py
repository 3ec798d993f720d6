# A model in a process of its own. Plimsoll calls `load` once, then `run` with one batch after another.
import re

from plimsoll_worker import serve  # the file beside this one; it needs nothing but Python


def load(options):
    # change: open your model here, and return it
    return re.compile(r"\w+")


def run(inputs, model):
    # change: run your model on a batch. One output for each input, in their order; an exception in an output's
    # place fails that input alone. An input is what `input:` says in pipeline.yaml.
    return [count(each["path"], model) for each in inputs]


def count(path, model):
    with open(path, encoding="utf-8") as file:
        return {"words": len(model.findall(file.read()))}


serve(load, run)
