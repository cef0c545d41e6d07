"""The CuPy backend: kernels of one NVIDIA GPU, convolutions by cuDNN where its library is found.

CuPy's own array code runs the streaming kernels and products (cuBLAS); what CuPy launches is what is timed,
in several kernels where an expression takes several. It has no fused attention.
"""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import Any, final

import numpy as np

from validation.microbenchmarks.arrays.backend import array_call
from validation.microbenchmarks.arrays.convolutions import ALGORITHMS
from validation.microbenchmarks.arrays.kernels import BUILDERS, Fresh
from validation.microbenchmarks.backend import (
    Backend,
    DeviceFacts,
    Offer,
    OutOfMemoryError,
    Prepared,
    UnsupportedCaseError,
    buffer_sets,
)
from validation.microbenchmarks.case import Case, convolution_of
from validation.microbenchmarks.nvidia.cuda_devices import registered_name
from validation.microbenchmarks.nvidia.cudnn_find import CudnnConvolutions
from validation.microbenchmarks.nvidia.cupy_collectives import build_collective
from validation.microbenchmarks.nvidia.cupy_copies import copies_beside, host_copy, peer_copy
from validation.microbenchmarks.nvidia.cupy_cudnn import Cudnn, find_cudnn
from validation.microbenchmarks.nvidia.cupy_timer import CupyEventTimer
from validation.microbenchmarks.timing import HostTimer, Timer
from workloads.operators import Pass

KEPT = 0.25
"""Share of the memory that may stay in CuPy's pool between cases."""

AMPERE = 80
"""Compute capability, times ten, from which on matrix units take TF32 and BF16."""


@final
class CupyBackend(Backend):
    """CuPy on one GPU.

    Args:
        cupy: the module.
        index: of the GPU.
        cudnn: finds convolutions by cuDNN, None for array code; :func:`find_cudnn` if not given.
    """

    name = "cupy"

    def __init__(
        self,
        cupy: Any,  # noqa: ANN401 - a module
        index: int,
        cudnn: Callable[[Any], Cudnn | None] | None = None,
    ) -> None:
        self._cupy, self._index = cupy, index
        cupy.cuda.Device(index).use()
        self._capability = int(cupy.cuda.Device(index).compute_capability)
        self._block = cupy.asarray(np.random.default_rng(0).random(1 << 16, dtype=np.float32))
        self._formats = self._find_formats()
        self.cudnn = (cudnn or find_cudnn)(cupy)

    def facts(self) -> DeviceFacts:
        """What the CUDA runtime says of the GPU."""
        found = self._cupy.cuda.runtime.getDeviceProperties(self._index)
        name = found["name"].decode() if isinstance(found["name"], bytes) else str(found["name"])
        return DeviceFacts(
            name=name,
            kind="cuda",
            driver=self._driver(),
            memory=float(found["totalGlobalMem"]),
            cache=float(found["l2CacheSize"]),
            multiprocessors=int(found["multiProcessorCount"]),
            registered=registered_name(name),
            present=int(self._cupy.cuda.runtime.getDeviceCount()),
            bus=str(self._cupy.cuda.runtime.deviceGetPCIBusId(self._index)),
        )

    def software(self) -> Mapping[str, str]:
        """CuPy, the CUDA libraries it calls and Python."""
        runtime = self._cupy.cuda.runtime
        versions = {"cupy": self._cupy.__version__, "cuda": cuda_version(runtime.runtimeGetVersion())}
        if self.cudnn is not None:
            versions["cudnn"] = self.cudnn.version
        return {**versions, "numpy": np.__version__, "python": platform.python_version()}

    def offer(self) -> Offer:
        """What the GPU multiplies, cuDNN's algorithms (or those in array code), and array code's kernels."""
        algorithms = ALGORITHMS if self.cudnn is None else self.cudnn.algorithms
        return Offer(dtypes=tuple(self._formats), algorithms=algorithms, kernels=frozenset(BUILDERS))

    def timer(self) -> Timer:
        """CUDA events."""
        return CupyEventTimer(self._cupy)

    def prepare(self, case: Case) -> Prepared:
        """Buffers and calls of a case."""
        fresh = self._fresh(case)
        alone = case.family in {"launch", "contention", "collective"}
        sets = 1 if alone else buffer_sets(case.nbytes, self.facts().cache)
        with self._mode(case), _refusals():
            parts = [self._part(case, fresh) for _ in range(sets)]
            if case.family != "collective":
                parts[0].calls[0]()  # a kernel that CuPy cannot compile or run shows here
        return Prepared(
            calls=[part.calls[0] for part in parts],
            workspace=parts[0].workspace,
            per_call=case.dims.get("count", 1) if case.family == "launch" else parts[0].per_call,
            timer=HostTimer() if case.kernel == "launch/isolated" else parts[0].timer,
            background=lambda: self._timed(case),
        )

    def release(self) -> None:
        """Give cached blocks back once they are many: getting them again takes longer than most cases."""
        pool = self._cupy.get_default_memory_pool()
        if pool.total_bytes() < KEPT * self.facts().memory:
            return
        if isinstance(self.cudnn, CudnnConvolutions):
            self.cudnn.release()
        pool.free_all_blocks()
        self._cupy.get_default_pinned_memory_pool().free_all_blocks()

    def _part(self, case: Case, fresh: Fresh) -> Prepared:
        if case.family == "collective":
            return build_collective(self._cupy, case)
        if case.kernel == "copy/peer":
            return peer_copy(self._cupy, case, fresh, self._index)
        if case.family == "copy" and "host" in case.kernel:
            return host_copy(self._cupy, case, fresh)
        if case.family == "convolution" and self.cudnn is not None:
            call = convolution_of(Pass(case.kernel.partition("/")[2]), case.dims)
            return self.cudnn.prepare(call, case.algorithm, case.dtype, fresh)
        return array_call(self._cupy, case, fresh)

    def _fresh(self, case: Case) -> Fresh:
        """Operands copied from one block of random numbers, which is quick; each has memory of its own."""
        cupy, block = self._cupy, self._block.astype(self._formats.get(case.dtype, np.float32))

        def fresh(shape: Sequence[int], *, written: bool = False) -> Any:  # noqa: ANN401, ARG001 - an array
            count = int(np.prod(shape))
            return cupy.tile(block, -(-count // block.size))[:count].reshape(tuple(shape))

        return fresh

    def _find_formats(self) -> dict[str, Any]:
        """Element type of every arithmetic that products run in here."""
        formats: dict[str, Any] = {"fp32": np.dtype(np.float32)}
        if self._capability >= AMPERE:
            formats["tf32"] = np.dtype(np.float32)
        formats["fp16"] = np.dtype(np.float16)
        brain = self._brain_float() if self._capability >= AMPERE else None
        return formats if brain is None else {**formats, "bf16": brain}

    def _brain_float(self) -> Any:  # noqa: ANN401 - a dtype
        """BF16 where CuPy multiplies it (version 14 with the package ml_dtypes); otherwise None."""
        try:
            import_module("ml_dtypes")
            brain = np.dtype("bfloat16")
            square = self._cupy.tile(self._block.astype(brain), 2)[:512].reshape(2, 16, 16)
            product = self._cupy.matmul(square[0], self._cupy.matmul(square, square)[1])
        except Exception:  # noqa: BLE001 - older versions refuse in ways of their own
            return None
        return brain if product.dtype == brain else None

    @contextmanager
    def _mode(self, case: Case) -> Iterator[None]:
        """TF32 where it is measured: plain products go by compute type, batched ones by cuBLAS' math mode."""
        if case.dtype != "tf32":
            yield
            return
        cupy, core = self._cupy, import_module(f"{self._cupy.__name__}._core._routines_linalg")
        cublas, handle = cupy.cuda.cublas, cupy.cuda.get_cublas_handle()
        before = core.get_compute_type(np.float32)
        core.set_compute_type(np.float32, core.COMPUTE_TYPE_TF32)
        cublas.setMathMode(handle, cublas.CUBLAS_TF32_TENSOR_OP_MATH)
        try:
            yield
        finally:
            core.set_compute_type(np.float32, before)
            cublas.setMathMode(handle, cublas.CUBLAS_DEFAULT_MATH)

    @contextmanager
    def _timed(self, case: Case) -> Iterator[None]:
        beside = copies_beside(self._cupy, self._index) if case.dims.get("copies") else nullcontext()
        with self._mode(case), beside:
            yield

    def _driver(self) -> str:
        """The driver's own version where NVML tells it, and the CUDA that it supports."""
        supported = f"CUDA {cuda_version(self._cupy.cuda.runtime.driverGetVersion())}"
        try:
            nvml = import_module("pynvml")
            nvml.nvmlInit()
            version = nvml.nvmlSystemGetDriverVersion()
        except Exception:  # noqa: BLE001 - not installed, or errors of its own kind
            return supported
        return f"{version.decode() if isinstance(version, bytes) else version} ({supported})"


@contextmanager
def _refusals() -> Iterator[None]:
    """What CuPy cannot do becomes a reason in the file of measurements.

    Raises:
        OutOfMemoryError: there is no memory left.
        UnsupportedCaseError: CuPy has no such function for these operands, or its code does not compile.
    """
    try:
        yield
    except MemoryError as error:
        raise OutOfMemoryError(str(error).splitlines()[0]) from None
    except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
        raise UnsupportedCaseError(f"CuPy: {type(error).__name__}: {error}".splitlines()[0]) from None
    except RuntimeError as error:
        if "MemoryAllocation" not in str(error):
            raise
        raise OutOfMemoryError(str(error).splitlines()[0]) from None


def cuda_version(number: int) -> str:
    """Such as ``12.4`` from the 12040 of CUDA's functions."""
    return f"{number // 1000}.{number % 1000 // 10}"
