"""CuPy's functions that the backend calls, on NumPy: arrays have addresses, events count, calls are noted."""

import ctypes
import sys
import time
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np


class DeviceArray(np.ndarray):
    """An array whose ``data`` has an address, as CuPy's have."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)

    def get(self):
        return np.asarray(self)


class Memory:
    def __init__(self, nbytes):
        self._bytes = ctypes.create_string_buffer(max(int(nbytes), 1))
        self.ptr = ctypes.addressof(self._bytes)


class Stream:
    def __init__(self, *, non_blocking=False):
        self.non_blocking, self.ptr = non_blocking, id(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def synchronize(self):
        pass


class Event:
    def record(self, _stream):
        self.time = time.perf_counter()

    def synchronize(self):
        pass


class CUDARuntimeError(RuntimeError):
    pass


class Communicator:
    """Reduces when the last rank has called."""

    waiting: ClassVar[list] = []

    def __init__(self, rank, ranks):
        self.rank, self.ranks = rank, ranks

    @classmethod
    def initAll(cls, devices):  # noqa: N802 - CuPy's name
        return [cls(rank, len(devices)) for rank in devices]

    def allReduce(self, sent, received, count, dtype, operation, _stream):  # noqa: N802
        assert (dtype, operation) == (7, 0)
        self.waiting.append((sent, received))
        if len(self.waiting) == self.ranks:
            total = sum(_floats(address, count) for address, _ in self.waiting)
            for _, address in self.waiting:
                _floats(address, count)[:] = total
            self.waiting.clear()

    def send(self, address, count, _dtype, peer, _stream):
        self.waiting.append((self.rank, peer, _floats(address, count).copy()))

    def recv(self, address, count, _dtype, peer, _stream):
        source, target, values = self.waiting.pop()
        assert (source, target) == (peer, self.rank)
        _floats(address, count)[:] = values


def _floats(address, count):
    return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_float)), (count,))


def build_fake_cupy(*, devices=1, capability="90", memory=8e9):
    """A module; its ``notes`` list what was called."""
    cupy = ModuleType("fake_cupy")
    notes = []
    cupy.notes, cupy.__version__ = notes, "14.2.0"
    for name in (
        "matmul",
        "maximum",
        "add",
        "multiply",
        "minimum",
        "subtract",
        "tanh",
        "exp",
        "sqrt",
        "copyto",
        "stack",
    ):
        setattr(cupy, name, getattr(np, name))
    for name in ("float32", "uint64", "fft", "ascontiguousarray"):
        setattr(cupy, name, getattr(np, name))
    for name in ("asarray", "ones", "zeros", "empty", "empty_like", "tile", "arange"):
        setattr(cupy, name, _on_device(getattr(np, name)))
    cupy.asnumpy = np.asarray
    cupy.RawKernel = lambda _code, name: lambda *call: notes.append((name, int(call[2][0])))
    pool = SimpleNamespace(free_all_blocks=lambda: notes.append("freed"), total_bytes=lambda: cupy.kept)
    cupy.kept = 0.0
    cupy.get_default_memory_pool = cupy.get_default_pinned_memory_pool = lambda: pool
    cupy.cuda = _cuda(notes, devices, capability, memory)
    linalg = ModuleType("fake_cupy._core._routines_linalg")
    linalg.COMPUTE_TYPE_TF32, linalg.types = 7, {}
    linalg.get_compute_type = lambda dtype: linalg.types.get(np.dtype(dtype), 1)
    linalg.set_compute_type = lambda dtype, kind: linalg.types.__setitem__(np.dtype(dtype), kind)
    nccl = ModuleType("fake_cupy.cuda.nccl")
    nccl.available, nccl.NCCL_FLOAT32, nccl.NCCL_SUM, nccl.NcclCommunicator = True, 7, 0, Communicator
    nccl.groupStart = nccl.groupEnd = lambda: None
    cupy.linalg = linalg
    for module in (cupy, linalg, nccl):
        sys.modules[module.__name__] = module
    sys.modules["fake_cupy._core"] = ModuleType("fake_cupy._core")
    return cupy


def _on_device(function):
    return lambda *arguments, **options: function(*arguments, **options).view(DeviceArray)


def _cuda(notes, devices, capability, memory):
    class Device:
        compute_capability = capability

        def __init__(self, index):
            self.index = index

        def use(self):
            notes.append(("use", self.index))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    def properties(_index):
        return {
            "name": b"NVIDIA H100 80GB HBM3",
            "totalGlobalMem": 85_899_345_920,
            "l2CacheSize": 1 << 20,
            "multiProcessorCount": 132,
        }

    def copy(target, source, nbytes, kind, _stream):
        notes.append(("copy", kind, nbytes))
        ctypes.memmove(target, source, nbytes)

    def copy_peer(target, to, source, of, nbytes, _stream):
        notes.append(("peer", of, to, nbytes))
        ctypes.memmove(target, source, nbytes)

    runtime = SimpleNamespace(
        getDeviceProperties=properties,
        getDeviceCount=lambda: devices,
        deviceGetPCIBusId=lambda index: f"0000:{index:02x}:00.0",
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 13020,
        memGetInfo=lambda: (memory, 2 * memory),
        memcpyHostToDevice=1,
        memcpyDeviceToHost=2,
        memcpyAsync=copy,
        memcpyPeerAsync=copy_peer,
        deviceCanAccessPeer=lambda *_: 1,
        deviceEnablePeerAccess=lambda peer: notes.append(("enable", peer)),
        CUDARuntimeError=CUDARuntimeError,
    )
    cuda = ModuleType("fake_cupy.cuda")
    cuda.Device, cuda.Stream, cuda.Event, cuda.runtime = Device, Stream, Event, runtime
    current = Stream()
    cuda.get_current_stream = lambda: current
    cuda.get_elapsed_time = lambda start, end: (end.time - start.time) * 1e3
    cuda.alloc = cuda.alloc_pinned_memory = Memory
    cuda.get_cublas_handle = lambda: 1
    cuda.cublas = SimpleNamespace(
        CUBLAS_DEFAULT_MATH=0,
        CUBLAS_TF32_TENSOR_OP_MATH=3,
        setMathMode=lambda _handle, mode: notes.append(("math", mode)),
    )
    sys.modules["fake_cupy.cuda"] = cuda
    return cuda
