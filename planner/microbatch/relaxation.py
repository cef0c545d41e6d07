"""How much each configuration costs a division at least, found by relaxing the workspace limit.

With a price y [s/byte] on workspace instead of the limit W, passes choose for themselves, and

    L(y) = sum over passes of min over c of (T[k, c] + y W[k, c])  -  y W

bounds the time of every division from below (Lagrangian relaxation of the multiple-choice knapsack; Kellerer,
Pferschy, Pisinger, "Knapsack Problems", 2004, chapter 11). A division with configuration c of pass k takes at
least L(y) + r[k, c], r being how much c exceeds its pass's minimum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planner.microbatch.configuration import Configuration

Vector = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
_HALVINGS = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relaxation:
    """What a relaxation says of each configuration.

    Attributes:
        excess: [passes][configurations] r [s].
        bound: L [s], no more than the time of any division.
        known: [s] time of a division within the limit.
    """

    excess: tuple[Vector, ...]
    bound: float
    known: float


@dataclass(frozen=True, slots=True)
class _Cells:
    """Configurations of all passes in a row; ``starts`` [passes] says where each pass begins."""

    times: Vector
    spaces: Vector
    starts: Indices

    def cheapest(self, price: float) -> Indices:
        """[passes] the cell that each pass takes at a price; the one of least workspace among equals."""
        parts = np.split(self.times + price * self.spaces, self.starts[1:])
        taken: Indices = self.starts + np.array([part.argmin() for part in parts])
        return taken

    def demand(self, price: float) -> float:
        """[bytes] that the passes take at a price."""
        return float(self.spaces[self.cheapest(price)].sum())


def relax_limit(passes: Sequence[Sequence[Configuration]], limit: float) -> Relaxation | None:
    """The relaxation at the price that bounds best.

    Args:
        passes: [passes][configurations] by rising workspace, each with at least one.
        limit: [bytes] for all together.

    Returns:
        The relaxation; None if even the least workspaces exceed the limit.
    """
    cells = _Cells(
        np.array([each.time for configurations in passes for each in configurations]),
        np.array([each.workspace for configurations in passes for each in configurations]),
        np.cumsum([0, *(len(configurations) for configurations in passes[:-1])]),
    )
    if cells.spaces[cells.starts].sum() > limit:
        return None
    price = _price(cells, limit)
    values = cells.times + price * cells.spaces
    least = np.minimum.reduceat(values, cells.starts)
    excess = np.split(values, cells.starts[1:])
    return Relaxation(
        excess=tuple(part - part.min() for part in excess),
        bound=float(least.sum() - price * limit),
        known=float(cells.times[_filled(cells, cells.cheapest(price), limit)].sum()),
    )


def _price(cells: _Cells, limit: float) -> float:
    """The least price at which the passes stay within the limit, to rounding."""
    if cells.demand(0.0) <= limit:
        return 0.0
    low, high = 0.0, 1e-12
    while cells.demand(high) > limit:
        low, high = high, high * 16
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if cells.demand(middle) > limit else (low, middle)
    return high


def _filled(cells: _Cells, chosen: Indices, limit: float) -> Indices:
    """The choice after workspace left over has gone, one pass at a time, to whoever gains most per byte."""
    owner = np.repeat(np.arange(len(chosen)), np.diff(np.append(cells.starts, len(cells.times))))
    while True:
        room = limit - cells.spaces[chosen].sum()
        gain = cells.times[chosen][owner] - cells.times
        extra = cells.spaces - cells.spaces[chosen][owner]
        worth = np.where(extra <= room, gain / np.maximum(extra, 1.0), 0.0)
        best = int(worth.argmax())
        if worth[best] <= 0:
            return chosen
        chosen[owner[best]] = best
