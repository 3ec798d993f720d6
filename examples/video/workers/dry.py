"""PLIMSOLL_DRY=1: the pipeline without its models. The only place where anything is left out.

A dry worker speaks the same protocol but imports no torch, loads no weights and knows nothing: each output
is the worker's `placeholder` for that input, marked { "dry": true }. It still reads the input's fields, so
that a step that gives a worker the wrong ones is found. Made to check the protocol and the graph on a machine
without a GPU; nothing in a dry answer is a result.
"""

import os


def unless_dry(load, run, placeholder):
    """`load` and `run` as they are; in a dry run two that do without the model."""
    if os.environ.get("PLIMSOLL_DRY") != "1":
        return load, run
    return (lambda options: None), (lambda inputs, model: [_marked(given, placeholder) for given in inputs])


def _marked(given, placeholder):
    try:
        return {"dry": True, **placeholder(given)}
    except (KeyError, TypeError) as error:
        return ValueError(f"The input lacks {error}.")
