"""Dense matrix products by shape: tiles, waves, split depth.

A library kernel cuts the m x n result into a x b tiles and hands them to the multiprocessors in waves. The
rate of one multiprocessor is R = peak x fraction / multiprocessors on the largest tile; smaller tiles reuse
less of what they read from the cache (bandwidth B per multiprocessor, s bytes per element):

    seconds of one tile = 2 a b k / R x e(H) / e(h) + epilogue x s a b / M
    e(h) = h / (h + c),   c = s R / (2 B),   h = a b / (a + b),   H = h of the largest tile

where the second term writes the result at the multiprocessor's share M of the memory bandwidth. A last wave
that is only partly filled costs a share of its idle time (wave quantisation): all of it on vector units, and
the share that `hardware.architecture` names on matrix units, where neighbouring waves overlap. A result with
too few tiles has its depth split over several multiprocessors and partial results added up in memory. The
library is taken to choose the best of a small set (`simdl.kernels.costs.tilings`), or by its own table
(`simdl.kernels.costs.tuned_sizes`).

Sources: NVIDIA, "Matrix Multiplication Background User's Guide" (tile and wave quantisation);
Osama et al., "Stream-K" (PPoPP 2023), sections 2-3 (split depth).
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hardware.architecture import architecture_named
from hardware.device import Device
from hardware.errors import HardwareError
from simdl.kernels.costs.memory_bound import traffic_time
from simdl.kernels.costs.tilings import (
    CUBLAS,
    LATER_CUBLAS,
    OTHER_ROCBLAS,
    ROCBLAS,
    ROCBLAS_TILINGS,
    Tiling,
    any_vector_tiling,
    matrix_tiling,
)
from simdl.kernels.costs.tuned_sizes import tuned_tiles
from simdl.kernels.cudnn import is_served
from simdl.kernels.kernel import Product
from workloads.amounts import alike, as_number, choose, is_table

Floats = NDArray[np.float64]

STRIDED_ALIGNMENT = 16
"""[bytes] to which rows of batched products (attention heads) must be aligned, or they leave the matrix
units. BigScience's comparison of head counts shows it: heads of 108 elements take a third longer per step
than 216."""

_ALIGNED = frozenset({"nvidia", ""})
"""Makers whose libraries need aligned rows, and whoever is not known: compilers for systolic arrays pad rows,
AMD's matrix instructions take operands that were loaded element by element."""

ELEMENT_SIZE = {
    "fp64": 8,
    "fp32": 4,
    "tf32": 4,
    "fp16": 2,
    "bf16": 2,
    "fp8": 1,
    "mxfp8": 1 + 1 / 32,
    "int8": 1,
    "fp4": 0.5,
    "int4": 0.5,
}
"""[bytes] of one operand element by dtype, with its share of a scale."""
SCALES = {"mxfp8": 1 / 32}
"""[bytes] of an element's share of a scale; scales lie apart, so rows are aligned without them."""

_MATRIX_FORMATS = frozenset(ELEMENT_SIZE) - {"fp64", "fp32"}


def matmul_time(product: Product, device: Device, dtype: str, *, tiling: Tiling | None = None) -> float:
    """Seconds of one launch without the kernel's latency and without moving operands from memory.

    Args:
        product: what is multiplied.
        device: where.
        dtype: arithmetic, a key of ``Device.peak_flop_rate``.
        tiling: kernels to choose from; those of a product of this dtype if None.

    Raises:
        HardwareError: the device has no such dtype, or its profile no achieved fraction for it.
    """
    size = ELEMENT_SIZE[dtype]
    rate = sustained_rate(device, dtype) / device.multiprocessors
    if not uses_matrix_units(device, dtype):
        if tiling is not None:
            return _fastest(product, device, size, rate, tiling)
        return _vector_time(product, device, size, rate)
    kernels, own = architecture_named(device.generation), size - SCALES.get(dtype, 0.0)
    if kernels.family not in _ALIGNED:
        return _fastest(product, device, size, rate, tiling or matrix_tiling(kernels.partial_wave))
    misaligned = _is_misaligned_batch(product, own)
    found = 0.0
    if not np.all(misaligned):
        found = _fastest(product, device, size, rate, tiling or matrix_tiling(kernels.partial_wave))
        found = choose(product.k * own % 4 != 0, found / kernels.odd_depth, found)
    if not np.any(misaligned):
        return found
    slower = min(rate, device.vector_flop_rate / device.multiprocessors)
    vector = any_vector_tiling(kernels.partial_wave)
    return choose(misaligned, _fastest(product, device, size, slower, vector), found)


def _vector_time(product: Product, device: Device, size: float, rate: float) -> float:
    """Seconds on vector units by the library's kernels for one product and for a batch of them."""
    single, batched = _vector_tilings(device)
    several = product.count > 1
    found = 0.0
    if not np.all(several):
        found = _fastest(product, device, size, rate, single)
    if not np.any(several):
        return found
    return choose(several, _fastest(product, device, size, rate, batched), found)


def _vector_tilings(device: Device) -> tuple[Tiling, Tiling]:
    """FP32 kernels of the device's library: of one product, and of a batch."""
    if is_served(device):
        return CUBLAS.get(device.generation, LATER_CUBLAS)
    if device.generation in ROCBLAS:
        return ROCBLAS_TILINGS.get(device.generation, OTHER_ROCBLAS)
    plain = any_vector_tiling(architecture_named(device.generation).partial_wave)
    return plain, plain


def _fastest(product: Product, device: Device, size: float, rate: float, tiling: Tiling) -> float:
    """Seconds with the best of some tiles and ways to split the depth, all of them at once.

    Rows of a table that are alike are found once: thousands of shards have some dozens of products.

    Args:
        product: what is multiplied.
        device: where.
        size: [bytes] of an operand's element.
        rate: [FLOP/s] of a multiprocessor on the largest tile.
        tiling: kernels to choose from.
    """
    dimensions = product.m, product.n, product.k, product.count
    if not is_table(*dimensions):
        return float(_best_times(dimensions, device, size, rate, tiling))
    rows = np.broadcast_arrays(*dimensions)
    first, place = alike(rows)
    best: float = as_number(_best_times([row[first] for row in rows], device, size, rate, tiling)[place])
    return best


def _best_times(
    dimensions: Sequence[object], device: Device, size: float, rate: float, tiling: Tiling
) -> Floats:
    """Seconds of :func:`_fastest` for m, n, k and how many products, each a number or an array."""
    m, n, k, count = (_axes(each) for each in dimensions)
    height, width, splits, second, write = _tile_terms(device, size, rate, tiling)

    blocks = np.ceil(m / height) * np.ceil(n / width) * count * splits
    results = height * width * _waves(blocks, device.multiprocessors, tiling.partial_wave)
    # partial results of a split depth are written and read once more in FP32, by a second kernel
    exchange = traffic_time(as_number(8 * splits * (m * n * count)), device)
    reduction = np.where(splits == 1, 0.0, device.memory.latency + exchange)
    times: Floats = results * (np.ceil(k / splits) * second + write) + reduction
    if tiling.tuned:
        times = np.where(_is_tuned((m, n, k), tiling), times, np.inf)
    best: Floats = times.min(axis=(-2, -1))
    return best


@lru_cache(maxsize=1024)
def _tile_terms(
    device: Device, size: float, rate: float, tiling: Tiling
) -> tuple[Floats, Floats, Floats, Floats, float]:
    """Heights, widths and splits, seconds per result and depth, and seconds to write a result."""
    cache = device.memory_bandwidth * device.matmul.cache_ratio / device.multiprocessors
    overhead = size * rate / (2 * cache)
    write = device.matmul.epilogue * traffic_time(size, device) * device.multiprocessors
    height, width = np.array(tiling.tiles, dtype=np.float64).T[:, :, None]
    reuse = height * width / (height + width)
    second = 2 * ((1 + overhead / reuse) / (1 + overhead / reuse[0])) / rate
    return height, width, np.array(tiling.splits, dtype=np.float64), second, write


def _is_tuned(extents: tuple[Floats, Floats, Floats], tiling: Tiling) -> NDArray[np.bool_]:
    """Whether a tile is the one that the library takes for a product: [..., tiles, 1]."""
    m, n, k = (each.reshape(-1).astype(np.int64) for each in extents)
    taken = tuned_tiles(m, n, k, tiling.tuned).reshape(*extents[0].shape[:-2], 1, 2)
    same: NDArray[np.bool_] = (np.array(tiling.tiles) == taken).all(axis=-1)
    return same[..., None]


def _axes(extent: object) -> Floats:
    """An extent with axes for tiles and splits behind it."""
    return np.asarray(extent, dtype=np.float64)[..., None, None]


def sustained_rate(device: Device, dtype: str) -> float:
    """FLOP/s that large, well-shaped products sustain.

    Raises:
        HardwareError: the device has no such dtype, or its profile no achieved fraction for it.
    """
    peak = device.flop_rate(dtype)
    if dtype not in device.matmul.fraction:
        known = ", ".join(sorted(device.matmul.fraction))
        raise HardwareError(
            f"device {device.name}: efficiency.matmul.fraction.{dtype}: missing; it has {known}"
        )
    return peak * device.matmul.fraction[dtype]


def uses_matrix_units(device: Device, dtype: str) -> bool:
    """Whether products of this dtype run on matrix units: far faster than the vector units' FP32.

    Devices with TF32 run all formats below FP32 there; consumer boards do so at half of the chip's rate, no
    more than twice that of their vector units.
    """
    if "tf32" in device.peak_flop_rate and dtype in _MATRIX_FORMATS:
        return True
    return device.flop_rate(dtype) > 2.5 * device.vector_flop_rate


def _is_misaligned_batch(product: Product, size: float) -> bool:
    odd = (product.k * size % STRIDED_ALIGNMENT != 0) | (product.n * size % STRIDED_ALIGNMENT != 0)
    return (product.count > 1) & odd


def _waves(tiles: Floats, multiprocessors: int, lost: float) -> Floats:
    return np.where(tiles <= multiprocessors, 1.0, _partial(tiles, multiprocessors, lost))


def _partial(tiles: Floats, multiprocessors: int, lost: float) -> Floats:
    """Waves of so many tiles, a part of the last one's idle time lost."""
    return lost * np.ceil(tiles / multiprocessors) + (1 - lost) * tiles / multiprocessors
