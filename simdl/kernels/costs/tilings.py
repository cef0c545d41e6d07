"""Kernels that a library has for matrix products: the tiles of a result that a block computes.

Tiles are rows by columns of a row-major result; the names of kernels count columns first
(``maxwell_sgemm_32x128_tn``, ``Cijk_Alik_Bljk_SB_MT128x96x32``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

Tile = tuple[int, int]

_SMALL_TILES: tuple[Tile, ...] = (
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

MATRIX_TILES: tuple[Tile, ...] = ((256, 128), (128, 256), *_SMALL_TILES)
"""Tiles of kernels for matrix units (tensor cores, MFMA, MXU), largest first."""

VECTOR_TILES = _SMALL_TILES
"""Tiles of kernels for vector units (FP32 without tensor cores), largest first."""

SPLITS = (1, 2, 4, 8, 16, 32)
"""Ways the depth is divided over multiprocessors."""

WHOLE_WAVES = 1.0
"""Kernels for vector units, and those of convolutions, fill their multiprocessor, so that a wave takes as
long however few blocks it has (NVIDIA, "Matrix Multiplication Background User's Guide", on waves)."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """Kernels that a library has to choose from.

    Attributes:
        tiles: results of a block, the largest first.
        splits: ways the depth is divided over multiprocessors.
        partial_wave: share of a partial last wave's idle time that is lost, on matrix units the
            architecture's.
        tuned: table of tuned sizes by which the library chooses (`simdl.kernels.costs.tuned_sizes`); the
            fastest tile if empty.
    """

    tiles: tuple[Tile, ...]
    splits: tuple[int, ...] = SPLITS
    partial_wave: float = WHOLE_WAVES
    tuned: str = ""


@lru_cache(maxsize=64)
def matrix_tiling(partial_wave: float) -> Tiling:
    """Kernels of any library for matrix units."""
    return Tiling(MATRIX_TILES, partial_wave=partial_wave)


@lru_cache(maxsize=64)
def any_vector_tiling(partial_wave: float) -> Tiling:
    """Kernels for vector units of a library of which nothing is known."""
    return Tiling(VECTOR_TILES, partial_wave=partial_wave)


def _vector(*tiles: Tile) -> Tiling:
    return Tiling(tiles)


def _batched(*tiles: Tile) -> Tiling:
    """Batches have their depth divided by no kernel of cuBLAS (grids of NeuSight's rows)."""
    return Tiling(tiles, splits=(1,))


_LARGE: tuple[Tile, ...] = ((128, 128), (64, 128), (128, 64), (64, 64))
_EARLY = _vector(*_LARGE), _batched((64, 128))
CUBLAS: Mapping[str, tuple[Tiling, Tiling]] = {
    "kepler": _EARLY,
    "maxwell": _EARLY,
    "pascal": _EARLY,
    "volta": (_vector(*VECTOR_TILES), _batched((64, 64), (128, 32))),
    "turing": (_vector(*VECTOR_TILES), _batched((64, 128), (64, 64), (32, 128))),
}
LATER_CUBLAS = _vector(*VECTOR_TILES), _batched((128, 128))
"""FP32 kernels of cuBLAS by architecture: of one product, and of a batch whose operands both lie row by row.
Those of a batch are all that ran on P100, P4, V100, T4 and A100 (``main_kernel`` of NeuSight's table). For
one product Maxwell's library has nothing narrower than 64 (DeepBench's products with 16 and 32 columns)."""

ROCBLAS = frozenset({"cdna1", "cdna2", "cdna3", "cdna4"})
_ROCBLAS_TILES: tuple[Tile, ...] = (
    *((160, 128), (128, 160), (144, 128), (128, 144), (128, 128), (192, 64), (64, 192), (96, 128), (128, 96)),
    *(
        (144, 64),
        (64, 144),
        (96, 96),
        (64, 256),
        (128, 80),
        (80, 128),
        (128, 64),
        (64, 128),
        (96, 64),
        (64, 96),
    ),
    *((64, 64), (32, 128), (128, 32), (48, 64), (64, 48), (64, 32), (32, 64), (16, 128), (32, 32), (64, 16)),
    *((16, 64), (24, 24), (32, 16), (16, 32), (64, 8), (8, 64), (16, 16), (32, 8), (8, 32), (64, 4), (4, 64)),
    *((16, 8), (8, 16), (8, 8), (16, 4)),
)
ROCBLAS_TILINGS: Mapping[str, tuple[Tiling, Tiling]] = {
    "cdna1": (
        Tiling(_ROCBLAS_TILES, tuned="tn"),
        Tiling(_ROCBLAS_TILES, splits=(1,), tuned="nn"),
    )
}
OTHER_ROCBLAS = _vector(*VECTOR_TILES), _batched(*VECTOR_TILES)
"""FP32 kernels of rocBLAS: of one product, and of a batch."""
