"""Kernels of PTX files by the CUDA driver, launched as sage4j launches them, for the scripts beside it. Uses the context that is current."""
import ctypes

import torch

_driver = ctypes.CDLL("libcuda.so.1")
_MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_OVERLAP = 6  # CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION


class _Attribute(ctypes.Structure):
    _fields_ = [("id", ctypes.c_int), ("pad", ctypes.c_char * 4), ("value", ctypes.c_int * 16)]


class _Config(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint) for name in ("gx", "gy", "gz", "bx", "by", "bz", "shared")] + [
        ("stream", ctypes.c_void_p), ("attributes", ctypes.POINTER(_Attribute)), ("count", ctypes.c_uint)]


def _do(call, *arguments):
    code = getattr(_driver, call)(*arguments)
    if code:
        raise RuntimeError(f"{call} failed with {code}")


class Kernel:
    """The kernel of a module; `shared` is its dynamic shared memory in bytes."""

    def __init__(self, path, entry, threads, shared=0):
        torch.cuda.current_stream().synchronize()
        with open(path, "rb") as f:
            image = f.read() + b"\0"
        module, self.function = ctypes.c_void_p(), ctypes.c_void_p()
        _do("cuModuleLoadData", ctypes.byref(module), image)
        _do("cuModuleGetFunction", ctypes.byref(self.function), module, entry.encode())
        if shared:
            _do("cuFuncSetAttribute", self.function, _MAX_DYNAMIC_SHARED, shared)
        self.threads, self.shared = threads, shared

    def launch(self, grid, arguments, overlap=False):
        """What launches it: arguments are tensors, of which it gets the address, and NumPy numbers; overlap: it may start while the kernel in front ends."""
        values = [ctypes.c_uint64(a.data_ptr()) if torch.is_tensor(a) else (ctypes.c_char * a.nbytes).from_buffer_copy(a.tobytes())
                  for a in arguments]
        pointers = (ctypes.c_void_p * len(values))(*[ctypes.addressof(v) for v in values])
        attribute = _Attribute(id=_OVERLAP)
        attribute.value[0] = 1
        stream = torch.cuda.current_stream().cuda_stream
        config = _Config(grid, 1, 1, self.threads, 1, 1, self.shared, stream, ctypes.pointer(attribute), int(overlap))
        keep = (values, attribute, arguments)

        def run():
            assert keep
            _do("cuLaunchKernelEx", ctypes.byref(config), self.function, pointers, None)
        return run
