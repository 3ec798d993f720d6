"""The worker of `plimsoll doctor --gpu-check`: holds stated numbers of bytes on a device, so that what the driver shows can
be compared with them. One file beside plimsoll_worker.py, standard library only, Python 3.8 or newer.

load: {"kind": "nvidia" | "amd" | "host"} opens the device, as a model's runner would, and holds nothing yet.
run: each input {"holdBytes": N} makes it hold N bytes in all; the output says how: {"heldBytes": N, "how": "…"}.

With torch where it is installed, since most models use it; else through the driver's library: libcuda.so.1 or
libamdhip64.so, by ctypes. On "host", memory of this process, written to, so that it is really there.
"""

import ctypes

from plimsoll_worker import serve


class Host:
    how = "memory of the process"

    def allocate(self, size):
        block = bytearray(size)
        pages = (ctypes.c_char * size).from_buffer(block)
        ctypes.memset(pages, 1, size)  # a page that is not written to does not exist
        return block

    def free(self, block):
        block.clear()


class Torch:
    """CUDA and ROCm alike: torch calls both cuda."""

    def __init__(self, torch):
        self.torch = torch
        self.how = "torch %s" % torch.__version__
        torch.cuda.init()
        torch.empty(1, device="cuda")  # the context, as after any model's load

    def allocate(self, size):
        return self.torch.empty(size, dtype=self.torch.uint8, device="cuda")

    def free(self, block):
        block.set_()
        self.torch.cuda.synchronize()
        self.torch.cuda.empty_cache()


class Library:
    """A vendor's library by ctypes. Every function answers with 0 or an error code."""

    names = ()

    def __init__(self):
        self.library, self.how = self.load()
        self.open()

    def load(self):
        tried = []
        for name in self.names:
            try:
                return ctypes.CDLL(name), name
            except OSError as error:
                tried.append(str(error))
        raise RuntimeError("; ".join(tried))

    def call(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code != 0:  # 2 is "out of memory" for both vendors
            raise (MemoryError if code == 2 else RuntimeError)("%s answers %d" % (name, code))

    def allocate(self, size):
        block = ctypes.c_void_p()
        self.call(self.allocate_name, ctypes.byref(block), ctypes.c_size_t(size))
        return block

    def free(self, block):
        self.call(self.free_name, block)


class Cuda(Library):
    names = ("libcuda.so.1", "libcuda.so")
    allocate_name = "cuMemAlloc_v2"
    free_name = "cuMemFree_v2"

    def open(self):
        device = ctypes.c_int()
        context = ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDeviceGet", ctypes.byref(device), 0)  # the only one that the environment shows
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)


class Hip(Library):
    names = ("libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6", "/opt/rocm/lib/libamdhip64.so")
    allocate_name = "hipMalloc"
    free_name = "hipFree"

    def open(self):
        self.call("hipInit", 0)
        self.call("hipSetDevice", 0)


class Holder:
    def __init__(self, backend):
        self.backend = backend
        self.blocks = []  # (bytes, block)

    def hold(self, size):
        """Lets go of the last blocks, or takes one more, until it is `size` bytes in all."""
        held = sum(each for each, _ in self.blocks)
        while held > size:
            bytes_of_block, block = self.blocks.pop()
            self.backend.free(block)
            held -= bytes_of_block
        if size > held:
            self.blocks.append((size - held, self.backend.allocate(size - held)))
        return {"heldBytes": size, "how": self.backend.how}


def load(options):
    if options["kind"] == "host":
        return Holder(Host())
    try:
        import torch

        if torch.cuda.is_available():
            return Holder(Torch(torch))
    except ImportError:
        pass
    return Holder({"nvidia": Cuda, "amd": Hip}[options["kind"]]())


def run(inputs, holder):
    return [holder.hold(each["holdBytes"]) for each in inputs]


serve(load, run)
