"""Convolutions through windows: what each tap of the filter sees of the padded source.

    ``implicit``  one product per tap, summed
    ``explicit``  all windows are copied (im2col), then one product per image

Chetlur et al., "cuDNN" (2014), section 3. The three passes are written as what they are: products with the
filter, with its transpose, or with the result's gradient. Layout (batch, channels, height, width).
"""

from collections.abc import Iterator
from typing import Any

from workloads.operators import ConvolutionShape, Pass

Array = Any
"""An array of NumPy or CuPy."""

Library = Any
"""NumPy or CuPy."""


def padding_of(shape: ConvolutionShape) -> tuple[int, int]:
    """Rows and columns of zeros on each side: the least that give the output's extent."""
    height = (shape.out_height - 1) * shape.stride_height + shape.kernel_height - shape.in_height
    width = (shape.out_width - 1) * shape.stride_width + shape.kernel_width - shape.in_width
    return max(0, -(-height // 2)), max(0, -(-width // 2))


def padded_extent(shape: ConvolutionShape) -> tuple[int, int]:
    """Rows and columns of the padded source."""
    height, width = padding_of(shape)
    return shape.in_height + 2 * height, shape.in_width + 2 * width


def pad(xp: Library, shape: ConvolutionShape, source: Array) -> Array:
    """The source with its zeros around; itself where there are none."""
    height, width = padding_of(shape)
    if height == width == 0:
        return source
    total = xp.zeros((*source.shape[:2], *padded_extent(shape)), dtype=source.dtype)
    crop(shape, total)[...] = source
    return total


def crop(shape: ConvolutionShape, padded: Array) -> Array:
    """What is left of a padded source without its zeros."""
    height, width = padding_of(shape)
    return padded[:, :, height : height + shape.in_height, width : width + shape.in_width]


def taps(shape: ConvolutionShape) -> Iterator[tuple[int, int]]:
    """Row and column of every element of the filter."""
    return ((row, column) for row in range(shape.kernel_height) for column in range(shape.kernel_width))


def window(shape: ConvolutionShape, padded: Array, row: int, column: int) -> Array:
    """What one tap sees: one pixel for each of the result."""
    rows = slice(row, row + shape.stride_height * (shape.out_height - 1) + 1, shape.stride_height)
    columns = slice(column, column + shape.stride_width * (shape.out_width - 1) + 1, shape.stride_width)
    return padded[:, :, rows, columns]


def implicit(xp: Library, shape: ConvolutionShape, which: Pass, first: Array, second: Array) -> Array:
    """One product per tap; operands as in `array_convolutions.convolve`."""
    match which:
        case Pass.FORWARD:
            return _implicit_forward(xp, shape, first, second)
        case Pass.INPUT_GRADIENT:
            return _implicit_input_gradient(xp, shape, first, second)
        case Pass.WEIGHT_GRADIENT:
            return _implicit_weight_gradient(xp, shape, first, second)


def _implicit_forward(xp: Library, shape: ConvolutionShape, source: Array, weights: Array) -> Array:
    padded, batch = pad(xp, shape, source), source.shape[0]
    total = xp.zeros((batch, shape.out_channels, shape.out_height * shape.out_width), dtype=source.dtype)
    for row, column in taps(shape):
        seen = window(shape, padded, row, column).reshape(batch, shape.in_channels, -1)
        total += xp.matmul(weights[:, :, row, column], seen)
    return _maps(shape, total)


def _implicit_input_gradient(xp: Library, shape: ConvolutionShape, weights: Array, upstream: Array) -> Array:
    batch = upstream.shape[0]
    flat = upstream.reshape(batch, shape.out_channels, -1)
    total = xp.zeros((batch, shape.in_channels, *padded_extent(shape)), dtype=upstream.dtype)
    for row, column in taps(shape):
        part = xp.matmul(weights[:, :, row, column].T, flat)
        window(shape, total, row, column)[...] += _maps(shape, part)
    return crop(shape, total)


def _implicit_weight_gradient(xp: Library, shape: ConvolutionShape, source: Array, upstream: Array) -> Array:
    padded, batch = pad(xp, shape, source), source.shape[0]
    flat = upstream.reshape(batch, shape.out_channels, -1)
    extents = shape.out_channels, shape.in_channels, shape.kernel_height, shape.kernel_width
    total = xp.empty(extents, dtype=source.dtype)
    for row, column in taps(shape):
        seen = window(shape, padded, row, column).reshape(batch, shape.in_channels, -1)
        total[:, :, row, column] = xp.matmul(flat, seen.transpose(0, 2, 1)).sum(axis=0)
    return total


def explicit(xp: Library, shape: ConvolutionShape, which: Pass, first: Array, second: Array) -> Array:
    """Patches in scratch memory and one product per image; operands as in `array_convolutions.convolve`."""
    if which is Pass.INPUT_GRADIENT:
        return _explicit_input_gradient(xp, shape, first, second)
    padded, batch = pad(xp, shape, first), first.shape[0]
    patches = xp.stack([window(shape, padded, *tap) for tap in taps(shape)], axis=1)
    patches = patches.reshape(batch, -1, shape.out_height * shape.out_width)
    if which is Pass.FORWARD:
        return _maps(shape, xp.matmul(_flat_filter(shape, second).T, patches))
    flat = second.reshape(batch, shape.out_channels, -1)
    total = xp.matmul(flat, patches.transpose(0, 2, 1)).sum(axis=0)
    extents = shape.out_channels, shape.kernel_height, shape.kernel_width, shape.in_channels
    return total.reshape(extents).transpose(0, 3, 1, 2)


def _explicit_input_gradient(xp: Library, shape: ConvolutionShape, weights: Array, upstream: Array) -> Array:
    batch, places = upstream.shape[0], list(taps(shape))
    flat = upstream.reshape(batch, shape.out_channels, -1)
    patches = xp.matmul(_flat_filter(shape, weights), flat)
    extents = len(places), shape.in_channels, shape.out_height, shape.out_width
    patches = patches.reshape(batch, *extents)
    total = xp.zeros((batch, shape.in_channels, *padded_extent(shape)), dtype=upstream.dtype)
    for index, (row, column) in enumerate(places):
        window(shape, total, row, column)[...] += patches[:, index]
    return crop(shape, total)


def _flat_filter(shape: ConvolutionShape, weights: Array) -> Array:
    """The filter as a matrix of (taps x input channels, output channels)."""
    return weights.transpose(2, 3, 1, 0).reshape(-1, shape.out_channels)


def _maps(shape: ConvolutionShape, flat: Array) -> Array:
    return flat.reshape(*flat.shape[:2], shape.out_height, shape.out_width)
