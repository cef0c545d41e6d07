"""Thinning of lanes: what is closer together than a pixel is drawn as one.

A pixel that several tasks share gets one name, and what is drawn too much or too little of a name is made
up for in the pixels after it (error diffusion, Floyd and Steinberg 1976), so that each name takes as much
of a lane as it has time.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Bar:
    """A task, or what a pixel and its neighbours of the same name hold, on a lane; [s]."""

    name: str
    lane: int
    start: float
    end: float
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """The tasks of one lane.

    Attributes:
        lane: where it is drawn.
        name: per task the index of its name.
        start, end: of the tasks [s], in the order of their starts, without overlap.
    """

    lane: int
    name: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]


def thin(row: Row, names: Sequence[str], *, apart: float) -> list[Bar]:
    """Bars of a lane whose pixels are ``apart`` [s] wide."""
    firsts = list(_firsts(row.start.tolist(), apart))
    if not firsts:
        return []
    seconds = row.end - row.start
    used = np.unique(row.name).tolist()
    by_name = [np.add.reduceat(np.where(row.name == name, seconds, 0.0), firsts).tolist() for name in used]
    ends = row.end[[*(first - 1 for first in firsts[1:]), -1]].tolist()
    owed = dict.fromkeys(used, 0.0)
    bars: list[Bar] = []
    for start, end, *drawn in zip(row.start[firsts].tolist(), ends, *by_name, strict=True):
        for name, each in zip(used, drawn, strict=True):
            owed[name] += each
        name = max(owed, key=owed.__getitem__)  # the one of which most is owed
        owed[name] -= sum(drawn)
        if bars and bars[-1].name == names[name] and start - bars[-1].end < apart:
            bars[-1].end = end
        else:
            bars.append(Bar(names[name], row.lane, start, end))
    return bars


def _firsts(starts: Sequence[float], apart: float) -> Iterator[int]:
    """First tasks of pixels: those that start a pixel's width or more after the first of the one before."""
    first = 0
    while first < len(starts):
        yield first
        first = bisect_left(starts, starts[first] + apart, first + 1)
