"""cuDNN's convolutions by name on arrays of CuPy, in FP32; CuPy's array code where there is no cuDNN."""

from importlib import import_module
from types import ModuleType
from typing import final

import numpy as np

from simdl.kernels.kernel import ConvolutionCall
from validation.micro_batching.runner import Array, ArrayRunner, Host, Runner
from validation.microbenchmarks.arrays.convolutions import result_shape
from validation.microbenchmarks.backend import Backend
from validation.microbenchmarks.nvidia.cudnn_algorithms import ALGORITHMS
from validation.microbenchmarks.nvidia.cudnn_find import Buffers, CudnnConvolutions
from validation.microbenchmarks.nvidia.cupy_backend import CupyBackend


@final
class CudnnRunner(Runner):
    """cuDNN, which writes results straight into their place."""

    algorithms = ALGORITHMS

    def __init__(self, backend: Backend, cupy: ModuleType, cudnn: CudnnConvolutions) -> None:
        self.backend, self._cupy, self._cudnn = backend, cupy, cudnn

    def place(self, array: Host) -> Array:
        """The array on the GPU."""
        return self._cupy.asarray(array)

    def fetch(self, array: Array) -> Host:
        """The array on the host."""
        found: Host = self._cupy.asnumpy(array)
        return found

    def whole(self, batch: int, part: Array) -> Array:
        """Room for the result of a batch."""
        return self._cupy.empty((batch, *part.shape[1:]), dtype=part.dtype)

    def run(self, call: ConvolutionCall, algorithm: str, first: Array, second: Array) -> Array:
        """One pass."""
        result = self._cupy.empty(result_shape(call), dtype=np.float32)
        buffers = Buffers(first=first, second=second, result=result)
        return self._cudnn.run(call, algorithm, "fp32", buffers)


def load_cupy_runner(backend: Backend) -> Runner:
    """The runner of a CuPy backend."""
    cupy = import_module("cupy")
    cudnn = backend.cudnn if isinstance(backend, CupyBackend) else None
    if isinstance(cudnn, CudnnConvolutions):
        return CudnnRunner(backend, cupy, cudnn)
    return ArrayRunner(backend, cupy)
