"""rocBLAS's choice of a kernel: that of the nearest size that its authors tuned.

Tensile, the generator of rocBLAS's kernels, keeps for each architecture and layout a list of sizes with the
kernel that was fastest at each; a product runs the kernel of the size at the least Euclidean distance.
Batches count for next to nothing beside the three extents. Of the kernels that ran on MI100 (NeuSight's table
names them) this gives the tile of 97 % of single products and 85 % of batches.

``simdl/kernels/tuned/cdna1_fp32.csv`` holds the sizes and tiles (m rows by n columns) of two layouts: ``tn``,
both operands along the depth, and ``nn``, both row by row.

Source: ROCm/rocBLAS @b520bc83, library/src/blas3/Tensile/Logic/asm_full/arcturus,
arcturus_Cijk_Alik_Bljk_SB.yaml (``tn``) and arcturus_Cijk_Ailk_Bljk_SB.yaml (``nn``); MIT licence. Of sizes
that differ in batch alone the one with the smallest batch is kept.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_TABLE = Path(__file__).parents[1] / "tuned" / "cdna1_fp32.csv"

Integers = NDArray[np.int64]


@cache
def load_tuned(layout: str) -> tuple[Integers, Integers]:
    """Tuned extents [sizes, 3] and tiles [sizes, 2] of a layout."""
    lines = _TABLE.read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.removeprefix(f"{layout},").split(",") for line in lines if line.startswith(f"{layout},")]
    table = np.array(rows, dtype=np.int64)
    return table[:, :3], table[:, 3:]


def tuned_tiles(m: Integers, n: Integers, k: Integers, layout: str) -> Integers:
    """Rows and columns of the tile of each product.

    Args:
        m: [products] rows of the result.
        n: [products] columns of the result.
        k: [products] depth.
        layout: ``tn`` or ``nn``.

    Returns:
        [products, 2].
    """
    sizes, tiles = load_tuned(layout)
    products = np.stack((m, n, k), axis=-1)
    nearest = [int(((sizes - product) ** 2).sum(axis=1).argmin()) for product in products]
    return tiles[nearest]
