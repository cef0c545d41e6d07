"""Which way to cuDNN there is for CuPy: its library's legacy functions, or the graph API's frontend."""

from typing import Any

from validation.microbenchmarks.nvidia.cudnn_find import CudnnConvolutions
from validation.microbenchmarks.nvidia.cudnn_frontend_plans import FrontendConvolutions, find_frontend
from validation.microbenchmarks.nvidia.cudnn_library import CudnnError, load_cudnn
from validation.microbenchmarks.nvidia.cupy_timer import CupyEventTimer

Cudnn = CudnnConvolutions | FrontendConvolutions
"""Either way to cuDNN: algorithms by name, or plans without names."""


def find_cudnn(cupy: Any) -> Cudnn | None:  # noqa: ANN401 - a module
    """CuDNN on the current GPU: by algorithm if its library has the legacy functions, otherwise by plan.

    None where cuDNN is not installed or does not start.
    """
    cupy.cuda.get_cublas_handle()  # loads cuBLAS, which some of cuDNN's algorithms call
    library, runtime = load_cudnn(), cupy.cuda.runtime
    try:
        if library is not None:
            return CudnnConvolutions(library, cupy.cuda.alloc, lambda: float(runtime.memGetInfo()[0]))
    except CudnnError:
        return None
    return find_frontend(cupy, lambda: CupyEventTimer(cupy))
