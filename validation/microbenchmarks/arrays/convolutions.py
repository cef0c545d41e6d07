"""Convolutions in plain array code, one algorithm each, for NumPy and CuPy alike.

    ``implicit_gemm``      one product per tap of the filter, summed (`array_windows`)
    ``gemm``               patches are copied (im2col), then one product: the patch matrix is the workspace
    ``fft``                products per frequency of whole padded images (`array_spectral`), stride one
    ``winograd_nonfused``  F(2 x 2, 3 x 3) with all transforms in memory (`array_winograd`): 3 x 3 at stride
                           one, forward and input gradient

Every algorithm of a pass gives the same result up to rounding, whatever the batch: a pass of a batch is that
of its parts, and weight gradients add up. Workspace is what a call sets aside beyond operands and result:
padded sources, patches, products, transforms.
"""

from collections.abc import Callable, Mapping
from math import prod

from simdl.kernels.kernel import ConvolutionCall
from validation.microbenchmarks.arrays.kernels import Fresh
from validation.microbenchmarks.arrays.spectral import points_of, spectral
from validation.microbenchmarks.arrays.windows import (
    Array,
    Library,
    explicit,
    implicit,
    padded_extent,
    padding_of,
)
from validation.microbenchmarks.arrays.winograd import POINTS, tiles_of, winograd
from validation.microbenchmarks.backend import Prepared, UnsupportedCaseError
from workloads.operators import ConvolutionShape, Pass

__all__ = [
    "ALGORITHMS",
    "Array",
    "build_convolution",
    "convolve",
    "operand_shapes",
    "padding_of",
    "result_shape",
    "workspace_of",
]
SIZE = 4
"""[bytes] of an FP32 element."""

Algorithm = Callable[[Library, ConvolutionShape, Pass, Array, Array], Array]

_ALGORITHMS: Mapping[str, Algorithm] = {
    "implicit_gemm": implicit,
    "gemm": explicit,
    "fft": spectral,
    "winograd_nonfused": winograd,
}

ALGORITHMS = tuple(_ALGORITHMS)


def convolve(xp: Library, call: ConvolutionCall, algorithm: str, first: Array, second: Array) -> Array:
    """One pass.

    Args:
        xp: NumPy or CuPy.
        call: shape and pass; the batch is that of the operands.
        algorithm: one of ``ALGORITHMS``.
        first: source (forward, weight gradient), or filter (input gradient).
        second: filter (forward), or gradient of the result.

    Returns:
        The result, or the gradient of source or filter.

    Raises:
        UnsupportedCaseError: the algorithm does not apply.
    """
    refuse(call, algorithm, first.dtype.itemsize)
    return _ALGORITHMS[algorithm](xp, call.shape, call.which, first, second)


def operand_shapes(call: ConvolutionCall) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of the two operands of :func:`convolve`."""
    s = call.shape
    source = call.batch, s.in_channels, s.in_height, s.in_width
    weights = s.out_channels, s.in_channels // s.groups, s.kernel_height, s.kernel_width
    upstream = call.batch, s.out_channels, s.out_height, s.out_width
    match call.which:
        case Pass.FORWARD:
            return source, weights
        case Pass.INPUT_GRADIENT:
            return weights, upstream
        case Pass.WEIGHT_GRADIENT:
            return source, upstream


def result_shape(call: ConvolutionCall) -> tuple[int, ...]:
    """Shape of the result of :func:`convolve`."""
    s = call.shape
    match call.which:
        case Pass.FORWARD:
            return call.batch, s.out_channels, s.out_height, s.out_width
        case Pass.INPUT_GRADIENT:
            return call.batch, s.in_channels, s.in_height, s.in_width
        case Pass.WEIGHT_GRADIENT:
            return s.out_channels, s.in_channels // s.groups, s.kernel_height, s.kernel_width


def build_convolution(xp: Library, call: ConvolutionCall, algorithm: str, fresh: Fresh) -> Prepared:
    """One set of buffers and the call of an algorithm's pass.

    Raises:
        UnsupportedCaseError: the algorithm does not apply.
    """
    size = fresh((1,)).dtype.itemsize
    refuse(call, algorithm, size)
    first, second = map(fresh, operand_shapes(call))
    return Prepared(
        calls=(lambda: convolve(xp, call, algorithm, first, second),),
        workspace=workspace_of(call, algorithm, size),
    )


def refuse(call: ConvolutionCall, algorithm: str, size: int = SIZE) -> None:
    """Say why an algorithm does not apply.

    Raises:
        UnsupportedCaseError: it does not.
    """
    s = call.shape
    if algorithm not in _ALGORITHMS:
        raise UnsupportedCaseError(f"{algorithm} is not written in array code")
    if s.groups > 1:
        raise UnsupportedCaseError("grouped convolutions are not written in array code")
    if algorithm in {"fft", "winograd_nonfused"} and s.stride_height * s.stride_width > 1:
        raise UnsupportedCaseError(f"{algorithm} needs stride one")
    if algorithm == "fft" and size < SIZE:
        raise UnsupportedCaseError("transforms have no 16-bit elements")
    if algorithm == "winograd_nonfused":
        _refuse_winograd(call)


def _refuse_winograd(call: ConvolutionCall) -> None:
    if (call.shape.kernel_height, call.shape.kernel_width) != (3, 3):
        raise UnsupportedCaseError("winograd_nonfused needs a filter of 3 x 3")
    if max(padding_of(call.shape)) > 2:  # as wide as the filter: no gradient of stride one turns it round
        raise UnsupportedCaseError("winograd_nonfused needs padding of at most 2")
    if call.which is Pass.WEIGHT_GRADIENT:
        raise UnsupportedCaseError("winograd_nonfused has no weight gradient in array code")


def workspace_of(call: ConvolutionCall, algorithm: str, size: int = SIZE) -> float:
    """[bytes] that a call sets aside beyond its operands and result, for elements of ``size`` bytes."""
    count = {
        "implicit_gemm": _product_elements,
        "gemm": _patch_elements,
        "fft": _spectral_elements,
        "winograd_nonfused": _winograd_elements,
    }[algorithm]
    return float(size * count(call))


def _padded_elements(call: ConvolutionCall) -> int:
    """Of a padded copy of source or gradient; 0 where nothing is padded."""
    if padding_of(call.shape) == (0, 0):
        return 0
    return call.batch * call.shape.in_channels * prod(padded_extent(call.shape))


def _product_elements(call: ConvolutionCall) -> int:
    """A padded copy, and windows and products of two taps: the next is made before the last is let go."""
    s = call.shape
    pixels = call.batch * s.out_height * s.out_width
    match call.which:
        case Pass.FORWARD:
            scratch = pixels * (s.in_channels + max(s.in_channels, s.out_channels))
        case Pass.INPUT_GRADIENT:
            scratch = pixels * s.in_channels
        case Pass.WEIGHT_GRADIENT:
            scratch = 2 * pixels * s.in_channels + call.batch * s.out_channels * s.in_channels
    return _padded_elements(call) + scratch


def _patch_elements(call: ConvolutionCall) -> int:
    """A padded copy, the patch matrix, the filter as a matrix or one filter gradient an image."""
    s = call.shape
    taps = s.kernel_height * s.kernel_width * s.in_channels
    images = call.batch if call.which is Pass.WEIGHT_GRADIENT else 1
    pixels = call.batch * s.out_height * s.out_width
    return _padded_elements(call) + pixels * taps + images * taps * s.out_channels


def _spectral_elements(call: ConvolutionCall) -> int:
    """Spectra of both operands, the product in two layouts and its inverse; not the library's own scratch."""
    s, points = call.shape, points_of(call.shape)
    spectrum = 2 * points[0] * (points[1] // 2 + 1)
    source, result = call.batch * s.in_channels, call.batch * s.out_channels
    weights = s.in_channels * s.out_channels
    computed = {Pass.FORWARD: result, Pass.INPUT_GRADIENT: source, Pass.WEIGHT_GRADIENT: weights}
    maps = source + weights + result + computed[call.which]
    return _padded_elements(call) + spectrum * maps + computed[call.which] * prod(points)


def _winograd_elements(call: ConvolutionCall) -> int:
    """A padded copy and all three transforms; pixels of whole tiles come out."""
    s, tiles = call.shape, prod(tiles_of(call.shape, call.which))
    forward = call.which is Pass.FORWARD
    read, written = (s.in_channels, s.out_channels) if forward else (s.out_channels, s.in_channels)
    points = POINTS * (call.batch * tiles * (read + written) + read * written)
    return points + call.batch * 4 * tiles * (read + written)
