"""A model whose memory is what the stand-in for torch is told."""

import os
import sys

from plimsoll_worker import serve

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../stand-ins"))


def load(options):
    import torch

    torch.cuda.held = torch.cuda.peak = 1000
    return torch.cuda


def run(inputs, cuda):
    for each in inputs:
        cuda.held = each["held"]
        cuda.peak = max(cuda.peak, each["peak"])
    return inputs


serve(load, run)
