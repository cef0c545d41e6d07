"""Recomputation of a heterogeneous chain by dynamic programming.

Beaumont, Eyraud-Dubois, Herrmann, Joly and Shilova 2019, "Optimal checkpointing for heterogeneous chains: how
to train deep neural networks with limited memory" (arXiv:1911.13214), theorem 1 and algorithm 1, which find
the fastest persistent schedule: of blocks s to t in memory m, either the first block keeps everything,

    C(s, t, m) = F_s + C(s + 1, t, m - saved_s) + B_s

or its input alone is kept until blocks s to j - 1 run again,

    C(s, t, m) = F_s + ... + F_(j-1) + C(j, t, m - input_j) + C(s, j - 1, m)

Memory is counted in ``SLOTS`` equal parts, rounded up, so that no schedule needs more than it says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from simdl.memory.savers import KEPT, Row, Saver, Segment, counted

SLOTS = 200
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One block of a chain.

    Attributes:
        forward, backward: [s] of its passes.
        saved: [bytes] that it keeps for its backward pass, its input among them.
        given: [bytes] of its input.
        brief: [bytes] that its backward pass needs beside what it kept.
    """

    forward: float
    backward: float
    saved: float
    given: float
    brief: float


def rotor_plan(chain: Sequence[Link], room: float) -> Row | None:
    """The fastest schedule within ``room`` [bytes], the chain's first input aside; None where none fits."""
    found = fastest_schedule(chain, room)
    return None if found is None else found[1]


def fastest_schedule(chain: Sequence[Link], room: float) -> tuple[float, Row] | None:
    """Seconds and plan of the fastest schedule within ``room`` [bytes]; None where none fits."""
    if not chain or room <= 0:
        return None
    table = _Table(chain, room)
    seconds = float(table.best[0, len(chain) - 1, SLOTS])
    return (seconds, tuple(table.plan(0, len(chain) - 1, SLOTS))) if np.isfinite(seconds) else None


class _Table:
    """Seconds of every part of a chain in every amount of memory."""

    def __init__(self, chain: Sequence[Link], room: float) -> None:
        self._chain, slot = chain, room / SLOTS
        self._saved = [ceil(link.saved / slot - 1e-9) for link in chain]
        self._given = [ceil(link.given / slot - 1e-9) for link in chain]
        self._need = [ceil((link.saved + link.brief) / slot - 1e-9) for link in chain]
        self._ahead = np.concatenate([[0.0], np.cumsum([link.forward for link in chain])])
        count = len(chain)
        self.best: Floats = np.full((count, count, SLOTS + 1), np.inf)
        self._later: Floats = np.full(
            (count, count, SLOTS + 1), np.inf
        )  # once the input of the first is kept
        for length in range(1, count + 1):
            for first in range(count - length + 1):
                last = first + length - 1
                found = self._kept(first, last)
                if last > first:
                    found = np.minimum(found, self._splits(first, last).min(axis=0))
                self.best[first, last] = found
                self._later[first, last] = _shifted(found, self._given[first])

    def _kept(self, first: int, last: int) -> Floats:
        """The first block keeps everything."""
        link = self._chain[first]
        found = np.full(SLOTS + 1, np.inf)
        need = min(self._need[first], SLOTS + 1)
        found[need:] = link.forward + link.backward
        if last > first:
            found += _shifted(self.best[first + 1, last], self._saved[first])
        return found

    def _splits(self, first: int, last: int) -> Floats:
        """Blocks up to each later place in turn run again once the rest has run backward."""
        ahead = self._ahead[first + 1 : last + 1] - self._ahead[first]
        found: Floats = (
            ahead[:, None] + self._later[first + 1 : last + 1, last] + self.best[first, first:last]
        )
        return found

    def plan(self, first: int, last: int, slots: int) -> Iterator[Saver | Segment]:
        """The items of the fastest schedule of a part."""
        least = self.best[first, last, slots]
        if self._kept(first, last)[slots] <= least:
            yield KEPT
            if last > first:
                yield from self.plan(first + 1, last, slots - self._saved[first])
            return
        place = first + 1 + int(np.argmax(self._splits(first, last)[:, slots] <= least))
        inner = counted(tuple(self.plan(first, place - 1, slots)))
        yield Saver("full") if inner == ((1, KEPT),) else Segment(inner)
        yield from self.plan(place, last, slots - self._given[place])


def _shifted(values: Floats, slots: int) -> Floats:
    """Values of the memory that is left when so many slots are taken."""
    found = np.full(SLOTS + 1, np.inf)
    if slots <= SLOTS:
        found[slots:] = values[: SLOTS + 1 - slots]
    return found
