"""Which candidate a library takes by size: the steps of its choice, found once per group.

Between two sizes where a correction or a plateau changes, every candidate is a line, and the least of lines
changes only where two of them cross. The choice is therefore a list of sizes from which a candidate holds.
It depends on the group and the size alone, never on what else the network carries.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from math import isfinite

import numpy as np

from simdl.communication.tuning.estimate import SMALLEST, Estimate, line_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Candidates by size.

    Attributes:
        starts: [bytes] ascending from 0; the size from which the candidate at the same place is taken.
        taken: index of each of them among the candidates.
    """

    starts: tuple[float, ...]
    taken: tuple[int, ...]

    def at(self, nbytes: float) -> int:
        """Index of the candidate that the library takes for a size."""
        return self.taken[bisect_right(self.starts, nbytes) - 1]


@lru_cache(maxsize=4096)
def choose(candidates: tuple[Estimate, ...]) -> Choice:
    """The choice among some candidates, at least one."""
    breaks = {0.0}.union(*(_changes(candidate.correction) for candidate in candidates))
    breaks |= {candidate.plateau_from for candidate in candidates if candidate.plateau > 1}
    breaks |= {candidate.longest * (1 + 1e-12) for candidate in candidates if isfinite(candidate.longest)}
    starts: list[float] = []
    taken: list[int] = []
    steady = [
        None if each.correction or each.plateau > 1 or isfinite(each.longest) else line_at(each, 1.0)
        for each in candidates
    ]
    lows = sorted(breaks)
    lines = [
        [line or line_at(each, max(low, 1.0)) for line, each in zip(steady, candidates, strict=True)]
        for low in lows
    ]
    ends = [*pairwise((*lows, float("inf")))]
    for one, (low, high), sure in zip(lines, ends, _least_throughout(lines, lows), strict=True):
        for start, index in [(low, sure)] if sure >= 0 else _envelope(one, low, high):
            if not taken or taken[-1] != index:
                starts.append(start)
                taken.append(index)
    return Choice(starts=tuple(starts), taken=tuple(taken))


def _least_throughout(lines: Sequence[Sequence[tuple[float, float]]], lows: Sequence[float]) -> list[int]:
    """Of each interval the line that is least at both ends and so between them; -1 where there is none."""
    if len(lows) == 1:
        return [-1]
    offsets, slopes = np.array(lines[:-1]).transpose(2, 0, 1)
    first, last = (offsets + slopes * np.array(ends)[:, None] for ends in (lows[:-1], lows[1:]))
    flattest = np.where(first == first.min(axis=1, keepdims=True), slopes, np.inf).argmin(axis=1)
    sure = last[np.arange(len(last)), flattest] <= last.min(axis=1)
    return [*np.where(sure, flattest, -1).tolist(), -1]


@cache
def _changes(correction: tuple[float, ...]) -> frozenset[float]:
    """[bytes] where a correction takes another value; 1 and its ends count as such."""
    places = range(len(correction) + 1)
    values = (1.0, *correction, 1.0)
    return frozenset(
        float(SMALLEST * 2**place) for place in places if correction and values[place] != values[place + 1]
    )


def _envelope(lines: Sequence[tuple[float, float]], low: float, high: float) -> list[tuple[float, int]]:
    """The least of some lines on an interval: where each of its pieces starts, and which line it is."""
    _, _, index = min((offset + slope * low, slope, at) for at, (offset, slope) in enumerate(lines))
    found, start = [(low, index)], low
    while True:
        offset, slope = lines[index]
        crossings = [
            ((other - offset) / (slope - flatter), at)
            for at, (other, flatter) in enumerate(lines)
            if flatter < slope and isfinite(other)
        ]
        later = [(size, at) for size, at in crossings if start < size < high]
        if not later:
            return found
        start, index = min(later, key=lambda crossing: (crossing[0], lines[crossing[1]][1]))
        found.append((start, index))
