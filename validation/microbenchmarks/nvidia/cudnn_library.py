"""cuDNN's legacy convolution functions, called through ctypes.

Signatures, structures and numbers as in `cudnn_cnn.h` and `cudnn_ops.h` of cuDNN 8 and 9 (NVIDIA, "cuDNN API
reference"); CuPy has no cuDNN bindings from version 14 on. The three passes have functions of one form: two
operands, a result, a convolution; operands in the order of `array_convolutions.convolve`.
"""

import ctypes
import sys
from collections.abc import Iterable, Iterator
from ctypes import POINTER, c_char_p, c_float, c_int, c_size_t, c_void_p
from ctypes.util import find_library
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from workloads.operators import Pass

FLOAT, HALF, BFLOAT16 = 0, 2, 9
"""cudnnDataType_t."""

NCHW = 0
"""cudnnTensorFormat_t."""

CROSS_CORRELATION = 1
"""cudnnConvolutionMode_t."""

DEFAULT_MATH, TENSOR_OP_MATH, FMA_MATH = 0, 1, 3
"""cudnnMathType_t: TF32 allowed for FP32, matrix units for 16-bit formats, neither."""


class Performance(ctypes.Structure):
    """cudnnConvolutionFwdAlgoPerf_t, and those of the backward passes, which are alike: ms and bytes."""

    _fields_ = (
        ("algo", c_int),
        ("status", c_int),
        ("time", c_float),
        ("memory", c_size_t),
        ("determinism", c_int),
        ("mathType", c_int),
        ("reserved", c_int * 3),
    )


OUT = POINTER(c_void_p)
OPERANDS = (c_void_p, c_void_p, c_void_p, c_void_p)
"""Descriptor and data of the first operand, then of the second."""

FUNCTIONS = {
    Pass.FORWARD: (
        "cudnnFindConvolutionForwardAlgorithmEx",
        "cudnnGetConvolutionForwardWorkspaceSize",
        "cudnnConvolutionForward",
    ),
    Pass.INPUT_GRADIENT: (
        "cudnnFindConvolutionBackwardDataAlgorithmEx",
        "cudnnGetConvolutionBackwardDataWorkspaceSize",
        "cudnnConvolutionBackwardData",
    ),
    Pass.WEIGHT_GRADIENT: (
        "cudnnFindConvolutionBackwardFilterAlgorithmEx",
        "cudnnGetConvolutionBackwardFilterWorkspaceSize",
        "cudnnConvolutionBackwardFilter",
    ),
}
"""Search for algorithms, workspace of one, and convolution, by pass."""

_FIND = (
    *(c_void_p, *OPERANDS, c_void_p, c_void_p, c_void_p),
    *(c_int, POINTER(c_int), POINTER(Performance), c_void_p, c_size_t),
)
_WORKSPACE = (c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_size_t))
_CONVOLVE = (
    *(c_void_p, POINTER(c_float), *OPERANDS, c_void_p, c_int, c_void_p, c_size_t),
    *(POINTER(c_float), c_void_p, c_void_p),
)

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "cudnnCreate": (OUT,),
    "cudnnCreateTensorDescriptor": (OUT,),
    "cudnnSetTensor4dDescriptor": (c_void_p, *(c_int,) * 6),
    "cudnnCreateFilterDescriptor": (OUT,),
    "cudnnSetFilter4dDescriptor": (c_void_p, *(c_int,) * 6),
    "cudnnCreateConvolutionDescriptor": (OUT,),
    "cudnnSetConvolution2dDescriptor": (c_void_p, *(c_int,) * 8),
    "cudnnSetConvolutionGroupCount": (c_void_p, c_int),
    "cudnnSetConvolutionMathType": (c_void_p, c_int),
    **{
        name: arguments
        for names in FUNCTIONS.values()
        for name, arguments in zip(names, (_FIND, _WORKSPACE, _CONVOLVE), strict=True)
    },
}


class CudnnError(Exception):
    """A call that cuDNN did not carry out; the message names it and cuDNN's reason."""


class CudnnLibrary:
    """The functions of a loaded library.

    Args:
        library: as ``ctypes.CDLL`` gives it.
    """

    def __init__(self, library: Any) -> None:  # noqa: ANN401 - a library or a stand-in
        self._library = library
        library.cudnnGetVersion.restype = c_size_t
        library.cudnnGetErrorString.restype = c_char_p
        library.cudnnGetErrorString.argtypes = (c_int,)
        for name, arguments in ARGUMENTS.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, c_int

    @property
    def version(self) -> str:
        """Such as ``9.10.2``: major, minor and patch stand in one number, differently since version 9."""
        number = int(self._library.cudnnGetVersion())
        major = number // 10000 if number >= 90000 else number // 1000
        rest = number - major * (10000 if number >= 90000 else 1000)
        return f"{major}.{rest // 100}.{rest % 100}"

    def call(self, name: str, *arguments: object) -> None:
        """Call a function.

        Raises:
            CudnnError: its status is not success.
        """
        status = getattr(self._library, name)(*arguments)
        if status:
            raise CudnnError(f"{name}: {self.reason(status)}")

    def reason(self, status: int) -> str:
        """Name of a status."""
        text: bytes = self._library.cudnnGetErrorString(status)
        return text.decode(errors="replace").removeprefix("CUDNN_STATUS_").lower().replace("_", " ")

    def create(self, name: str) -> c_void_p:
        """A new descriptor or handle.

        Raises:
            CudnnError: it cannot be made.
        """
        made = c_void_p()
        self.call(name, ctypes.byref(made))
        return made


def load_cudnn(places: Iterable[str] | None = None) -> CudnnLibrary | None:
    """The first libcudnn that loads and has the legacy functions; None where there is none."""
    for place in library_places() if places is None else places:
        try:
            return CudnnLibrary(ctypes.CDLL(place))
        except (OSError, AttributeError):
            continue
    return None


def library_places() -> Iterator[str]:
    """Where libcudnn may be: NVIDIA's wheel, PyTorch's own, the loader's."""
    for entry in sys.path:
        yield from _versions(Path(entry) / "nvidia" / "cudnn" / "lib")
    torch = find_spec("torch")
    for folder in (torch.submodule_search_locations or ()) if torch else ():
        yield from _versions(Path(folder) / "lib")
    found = find_library("cudnn")
    if found:
        yield found
    yield from ("libcudnn.so.9", "libcudnn.so.8")


def _versions(folder: Path) -> Iterator[str]:
    """Libraries in a folder, the newest first."""
    return (str(path) for path in sorted(folder.glob("libcudnn.so.*"), reverse=True))
