"""Descriptors of one convolution pass: operands, convolution and result, for cuDNN's legacy functions.

They live as long as the process: a few hundred bytes a shape.
"""

from ctypes import c_void_p
from dataclasses import dataclass

from simdl.kernels.kernel import ConvolutionCall
from validation.microbenchmarks.arrays.convolutions import padding_of
from validation.microbenchmarks.nvidia.cudnn_algorithms import FORMATS
from validation.microbenchmarks.nvidia.cudnn_library import CROSS_CORRELATION, FLOAT, NCHW, CudnnLibrary
from workloads.operators import ConvolutionShape, Pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """Of one pass, operands in the order of `array_convolutions.convolve`."""

    first: c_void_p
    second: c_void_p
    convolution: c_void_p
    result: c_void_p


def describe(library: CudnnLibrary, call: ConvolutionCall, dtype: str) -> Descriptors:
    """The descriptors of a pass.

    Raises:
        CudnnError: cuDNN refuses an extent or a format.
    """
    s, (data, _) = call.shape, FORMATS[dtype]
    source = _tensor(library, data, (call.batch, s.in_channels, s.in_height, s.in_width))
    upstream = _tensor(library, data, (call.batch, s.out_channels, s.out_height, s.out_width))
    inner = s.in_channels // s.groups
    weights = _filter(library, data, (s.out_channels, inner, s.kernel_height, s.kernel_width))
    first, second, result = {
        Pass.FORWARD: (source, weights, upstream),
        Pass.INPUT_GRADIENT: (weights, upstream, source),
        Pass.WEIGHT_GRADIENT: (source, upstream, weights),
    }[call.which]
    convolution = _convolution(library, s, dtype)
    return Descriptors(first=first, second=second, convolution=convolution, result=result)


def _tensor(library: CudnnLibrary, data: int, extents: tuple[int, ...]) -> c_void_p:
    made = library.create("cudnnCreateTensorDescriptor")
    library.call("cudnnSetTensor4dDescriptor", made, NCHW, data, *extents)
    return made


def _filter(library: CudnnLibrary, data: int, extents: tuple[int, ...]) -> c_void_p:
    made = library.create("cudnnCreateFilterDescriptor")
    library.call("cudnnSetFilter4dDescriptor", made, data, NCHW, *extents)
    return made


def _convolution(library: CudnnLibrary, shape: ConvolutionShape, dtype: str) -> c_void_p:
    """Undilated, sums in FP32."""
    made = library.create("cudnnCreateConvolutionDescriptor")
    strides = shape.stride_height, shape.stride_width
    library.call(
        "cudnnSetConvolution2dDescriptor",
        *(made, *padding_of(shape), *strides, 1, 1, CROSS_CORRELATION, FLOAT),
    )
    library.call("cudnnSetConvolutionGroupCount", made, shape.groups)
    library.call("cudnnSetConvolutionMathType", made, FORMATS[dtype][1])
    return made
