"""Convolutions of stride one by real FFT of whole padded images: one complex product per frequency.

A correlation of extents h and k keeps the outputs o that need no wrap-around, so o + k - 1 points suffice:

    result            irfft(rfft(source) conj(rfft(filter)))[:o]
    source gradient   irfft(rfft(result gradient) rfft(filter)), all o + k - 1 points
    filter gradient   irfft(rfft(source) conj(rfft(result gradient)))[:k]

Mathieu, Henaff, LeCun, "Fast Training of Convolutional Networks through FFTs" (2014).
"""

from validation.microbenchmarks.arrays.windows import Array, Library, crop, pad, padded_extent
from workloads.operators import ConvolutionShape, Pass


def points_of(shape: ConvolutionShape) -> tuple[int, int]:
    """Points of the transform on either axis."""
    return shape.out_height + shape.kernel_height - 1, shape.out_width + shape.kernel_width - 1


def spectral(xp: Library, shape: ConvolutionShape, which: Pass, first: Array, second: Array) -> Array:
    """A pass by FFT; operands as in `array_convolutions.convolve`."""
    points = points_of(shape)
    source = pad(xp, shape, first) if which is not Pass.INPUT_GRADIENT else first
    left, right = _spectrum(xp, source, points), _spectrum(xp, second, points)
    if which is Pass.FORWARD:
        found = _inverse(xp, xp.matmul(left, right.conj().transpose(0, 1, 3, 2)), points)
        return found[:, :, : shape.out_height, : shape.out_width]
    if which is Pass.WEIGHT_GRADIENT:
        found = _inverse(xp, xp.matmul(right.conj().transpose(0, 1, 3, 2), left), points)
        return found[:, :, : shape.kernel_height, : shape.kernel_width]
    found = _inverse(xp, xp.matmul(right, left), points)
    total = xp.zeros((*found.shape[:2], *padded_extent(shape)), dtype=found.dtype)
    rows, columns = min(points[0], total.shape[2]), min(points[1], total.shape[3])
    total[:, :, :rows, :columns] = found[:, :, :rows, :columns]
    return crop(shape, total)


def _spectrum(xp: Library, array: Array, points: tuple[int, int]) -> Array:
    """Frequencies first, so that a product takes the two axes behind."""
    return xp.ascontiguousarray(xp.fft.rfft2(array, s=points).transpose(2, 3, 0, 1))


def _inverse(xp: Library, product: Array, points: tuple[int, int]) -> Array:
    return xp.fft.irfft2(product.transpose(2, 3, 0, 1), s=points)
