"""As much of torch as our workers call, over memory of the process. `held` and `peak`: what its allocator says, bytes."""

import ctypes

uint8 = "uint8"
__version__ = "0.stand-in"


class cuda:
    held = 0
    peak = 0
    is_available = staticmethod(lambda: True)
    init = staticmethod(lambda: None)
    synchronize = staticmethod(lambda: None)
    empty_cache = staticmethod(lambda: None)
    memory_reserved = staticmethod(lambda: cuda.held)
    max_memory_reserved = staticmethod(lambda: cuda.peak)

    @staticmethod
    def reset_peak_memory_stats():
        cuda.peak = cuda.held


class Tensor:
    def __init__(self, size):
        self.block = bytearray(size)
        ctypes.memset((ctypes.c_char * size).from_buffer(self.block), 1, size)

    def set_(self):
        self.block = None


def empty(size, dtype=None, device=None):
    if device != "cuda":
        raise ValueError(device)
    return Tensor(size)
