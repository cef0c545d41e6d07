"""Winograd F(2 x 2, 3 x 3), not fused: every transform goes to memory, then one product per point of a tile.

    result = A' [ (G g G') * (B' d B) ] A     for tiles d of 4 x 4 of the source, 2 x 2 of the result

with the matrices of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), section 4.1.
The source gradient is the same convolution of the result's gradient with the filter turned and transposed.
"""

from typing import Any

from validation.microbenchmarks.arrays.windows import Array, Library, padding_of
from workloads.operators import ConvolutionShape, Pass

POINTS = 16
"""Products: points of a tile of the transformed source."""

Row = tuple[tuple[int, float], ...]
"""(index, factor) of the terms of one row of a transform."""

SOURCE: tuple[Row, ...] = (((0, 1), (2, -1)), ((1, 1), (2, 1)), ((2, 1), (1, -1)), ((1, 1), (3, -1)))
FILTER: tuple[Row, ...] = (
    ((0, 1),),
    ((0, 0.5), (1, 0.5), (2, 0.5)),
    ((0, 0.5), (1, -0.5), (2, 0.5)),
    ((2, 1),),
)
Elements = Any
"""Rows of arrays."""

RESULT: tuple[Row, ...] = (((0, 1), (1, 1), (2, 1)), ((1, 1), (2, -1), (3, -1)))


def tiles_of(shape: ConvolutionShape, which: Pass) -> tuple[int, int]:
    """Tiles of two by two pixels that cover what the pass computes, on either axis."""
    forward = which is Pass.FORWARD
    height = shape.out_height if forward else shape.in_height
    width = shape.out_width if forward else shape.in_width
    return -(-height // 2), -(-width // 2)


def winograd(xp: Library, shape: ConvolutionShape, which: Pass, first: Array, second: Array) -> Array:
    """Forward or input gradient; operands as in `array_convolutions.convolve`."""
    if which is Pass.FORWARD:
        extent = shape.out_height, shape.out_width
        return _correlate(xp, first, second, padding_of(shape), extent)
    turned = first[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    height, width = padding_of(shape)
    return _correlate(xp, second, turned, (2 - height, 2 - width), (shape.in_height, shape.in_width))


def _correlate(
    xp: Library,
    source: Array,
    weights: Array,
    padding: tuple[int, int],
    extent: tuple[int, int],
) -> Array:
    """A correlation with 3 x 3 taps whose result has this extent."""
    tiles = -(-extent[0] // 2), -(-extent[1] // 2)
    batch, channels = source.shape[:2]
    padded = _pad(xp, source, padding, tiles)
    seen = _transform(xp, SOURCE, _tile_views(padded, tiles)).reshape(POINTS, batch, channels, -1)
    taps = [[weights[:, :, row, column] for column in range(3)] for row in range(3)]
    filters = _transform(xp, FILTER, taps)
    products = xp.matmul(filters[:, None], seen)
    products = products.reshape(4, 4, batch, weights.shape[0], *tiles)
    found = _transform(xp, RESULT, products)
    total = xp.empty((batch, weights.shape[0], 2 * tiles[0], 2 * tiles[1]), dtype=source.dtype)
    for index in range(4):
        total[:, :, index // 2 :: 2, index % 2 :: 2] = found[index]
    return total[:, :, : extent[0], : extent[1]]


def _pad(xp: Library, source: Array, padding: tuple[int, int], tiles: tuple[int, int]) -> Array:
    """Zeros around the source, enough behind for whole tiles; what no tile reaches is cut off."""
    rows, columns = 2 * tiles[0] + 2, 2 * tiles[1] + 2
    total = xp.zeros((*source.shape[:2], rows, columns), dtype=source.dtype)
    height, width = min(source.shape[2], rows - padding[0]), min(source.shape[3], columns - padding[1])
    inner = total[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width]
    inner[...] = source[:, :, :height, :width]
    return total


def _tile_views(padded: Array, tiles: tuple[int, int]) -> list[list[Array]]:
    """Element (row, column) of all tiles, for the four rows and columns of a tile."""
    rows, columns = 2 * tiles[0], 2 * tiles[1]
    return [
        [padded[:, :, row : row + rows : 2, column : column + columns : 2] for column in range(4)]
        for row in range(4)
    ]


def _transform(xp: Library, matrix: tuple[Row, ...], elements: Elements) -> Array:
    """``matrix`` times ``elements`` times its transpose, points first."""
    count, side = len(matrix), len(elements[0])
    shape, dtype = elements[0][0].shape, elements[0][0].dtype
    total = xp.empty((count * count, *shape), dtype=dtype)
    for i, row in enumerate(matrix):
        across = [
            _combine(row, [elements[k][column] for k in range(len(elements))]) for column in range(side)
        ]
        for j, column in enumerate(matrix):
            total[i * count + j] = _combine(column, across)
    return total


def _combine(row: Row, elements: list[Array]) -> Array:
    """The sum of factor times element over the terms of a row."""
    (index, factor), *rest = row
    total = elements[index] * factor
    for index, factor in rest:
        total += elements[index] * factor
    return total
