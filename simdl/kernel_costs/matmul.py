"""Dense matrix products by shape: tiles, waves, split depth.

A library kernel cuts the m x n result into a x b tiles and hands one to each multiprocessor; ``waves`` rounds
the tiles up to whole rounds over all multiprocessors (wave quantisation). One tile multiplies at

    rate(a, b) = peak x fraction / multiprocessors x e(h) / e(H),   e(h) = h / (h + c),   h = a b / (a + b)

with H that of the largest tile: operands stream through a cache whose bandwidth caps the rate of tiles with
little reuse. Each tile pays a prologue and epilogue worth ``depth_overhead`` elements of depth. A result with
too few tiles has its depth split over several multiprocessors and partial results added up in memory.
The library's heuristic is taken to choose the best of a small set of tiles and splits.

Sources: NVIDIA, "Matrix Multiplication Background User's Guide" (tile and wave quantisation);
Osama et al., "Stream-K" (PPoPP 2023), sections 2-3 (split depth).
"""

from math import ceil

from hardware.device import Device
from simdl.kernel import Product

Tile = tuple[int, int]

MATRIX_TILES: tuple[Tile, ...] = (
    (256, 128),
    (128, 256),
    (128, 128),
    (128, 64),
    (64, 128),
    (64, 64),
    (64, 32),
    (32, 64),
    (32, 32),
)
"""Tiles of kernels for matrix units (tensor cores, MFMA, MXU)."""

VECTOR_TILES: tuple[Tile, ...] = (
    (128, 128),
    (128, 64),
    (64, 128),
    (64, 64),
    (128, 32),
    (32, 128),
    (64, 32),
    (32, 64),
    (32, 32),
)
"""Tiles of kernels for vector units (FP32 without tensor cores)."""

SPLITS = (1, 2, 4, 8, 16, 32)
"""Ways the depth is divided over multiprocessors."""

ALIGNMENT = 16
"""[bytes] of the widest loads of matrix-unit kernels; other row lengths load in narrower pieces."""

UNALIGNED_FRACTION = 0.75
"""Share of its speed that a matrix-unit kernel keeps on unaligned rows."""

ELEMENT_SIZE = {"fp64": 8, "fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2, "fp8": 1, "int8": 1}
"""[bytes] of one operand element by dtype."""


def matmul_time(product: Product, device: Device, dtype: str) -> float:
    """Seconds of arithmetic of one launch, without the kernel's latency and without its memory traffic.

    Raises:
        HardwareError: the device has no such dtype.
    """
    peak = device.flop_rate(dtype) * device.matmul.fraction[dtype]
    on_matrix_units = uses_matrix_units(device, dtype)
    tiles = MATRIX_TILES if on_matrix_units else VECTOR_TILES
    peak /= _reuse(tiles[0], device)
    best = min(_tiled_time(product, tile, split, peak, device) for tile in tiles for split in SPLITS)
    return best / alignment_fraction(product, dtype) if on_matrix_units else best


def uses_matrix_units(device: Device, dtype: str) -> bool:
    """Whether products of this dtype run on matrix units: far faster than the vector units' FP32."""
    return device.flop_rate(dtype) > 2.5 * device.vector_flop_rate


def alignment_fraction(product: Product, dtype: str) -> float:
    """Share of its speed that a matrix-unit kernel keeps: below 1 where a row length is not aligned."""
    size = ELEMENT_SIZE[dtype]
    aligned = all(length * size % ALIGNMENT == 0 for length in (product.n, product.k))
    return 1.0 if aligned else UNALIGNED_FRACTION


def _tiled_time(product: Product, tile: Tile, split: int, peak: float, device: Device) -> float:
    rows, columns = tile
    rate = peak / device.multiprocessors * _reuse(tile, device)
    depth = ceil(product.k / split) + device.matmul.depth_overhead
    tiles = ceil(product.m / rows) * ceil(product.n / columns) * product.count * split
    waves = ceil(tiles / device.multiprocessors)
    return waves * 2 * rows * columns * depth / rate + _reduction_time(product, split, device)


def _reuse(tile: Tile, device: Device) -> float:
    rows, columns = tile
    intensity = rows * columns / (rows + columns)
    return intensity / (intensity + device.matmul.tile_overhead)


def _reduction_time(product: Product, split: int, device: Device) -> float:
    """Partial results of a split depth are written and read once more in FP32."""
    if split == 1:
        return 0.0
    nbytes = 8 * split * product.m * product.n * product.count
    return device.memory.latency + nbytes / (device.memory_bandwidth * device.memory.fraction)
