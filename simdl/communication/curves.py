"""Time against size of a collective, by the ways in which a library may carry it out.

Sizes are numbers or tables of them; a table may hold messages of many groups, which are then priced together.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from workloads.amounts import as_number, choose, is_table, larger, smaller

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """Ramp of one level: ``ceiling`` [s] is approached as n grows, its half at ``knee`` [bytes]."""

    ceiling: float
    knee: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Time against buffer size of an algorithm with a protocol: fixed + rate n + the ramps of its levels."""

    algorithm: str
    protocol: str
    least: float
    fixed: float
    rate: float
    fills: tuple[Fill, ...]

    def device_time(self, n: float) -> float:
        """Time [s] of n > 0 bytes once issued."""
        time = self.fixed + self.rate * n
        for fill in self.fills:
            time = time + fill.ceiling * n / (n + fill.knee)
        return time

    def time(self, n: float) -> float:
        """Time [s] of n > 0 bytes."""
        return larger(self.least, self.device_time(n))


def least_time(found: tuple[Curve, ...], nbytes: float) -> float:
    """[s] by the fastest of some curves, for one size or a table; nothing takes no time."""
    if not is_table(nbytes):
        return min(curve.time(nbytes) for curve in found) if nbytes > 0 else 0.0
    sizes = choose(nbytes > 0, nbytes, 1.0)
    best = reduce(smaller, (curve.time(sizes) for curve in found))
    return choose(nbytes > 0, best, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How a library may carry out an operation for a group, and which way it takes by size.

    Attributes:
        curves: by size, or all that it chooses among.
        ends: [bytes] from which the next curve is taken; None where the fastest is.
    """

    curves: tuple[Curve, ...]
    ends: tuple[float, ...] | None

    def at(self, nbytes: float) -> Curve:
        """The curve of one size."""
        if self.ends is None:
            return min(self.curves, key=lambda curve: (curve.time(nbytes), curve.algorithm))
        return self.curves[bisect_right(self.ends, nbytes)]

    def time(self, nbytes: float) -> float:
        """[s] of one size or of a table of them; nothing takes no time."""
        if self.ends is None:
            return least_time(self.curves, nbytes)
        if not is_table(nbytes):
            return self.at(nbytes).time(nbytes) if nbytes > 0 else 0.0
        sizes: Floats = np.asarray(nbytes, dtype=np.float64)
        seconds: float = as_number(stepped_times((self,), np.zeros(sizes.shape, dtype=np.int64), sizes))
        return seconds


def times_by_group(found: Sequence[Ways], group: Integers, nbytes: Floats) -> Floats:
    """[n] seconds of messages of many groups, given every group's ways and the group of each."""
    stepped = [number for number, ways in enumerate(found) if ways.ends is not None]
    if len(stepped) == len(found):
        return stepped_times(found, group, nbytes)
    times = np.zeros(len(nbytes))
    for number, ways in enumerate(found):
        own = group == number
        times[own] = ways.time(as_number(nbytes[own]))
    return times


def stepped_times(found: Sequence[Ways], group: Integers, nbytes: Floats) -> Floats:
    """[n] seconds by the curve of each size, where all groups have sizes at which another is taken."""
    ends = [ways.ends or () for ways in found]
    width = max(map(len, ends))
    steps = np.array([(*each, *[np.inf] * (width - len(each))) for each in ends])
    curves = [curve for ways in found for curve in ways.curves]
    first = np.array([0, *accumulate(len(ways.curves) for ways in found)][:-1])
    place, sizes = first[group], np.where(nbytes > 0, nbytes, 1.0)
    for step in steps.reshape(len(found), width).T:
        place = place + (sizes >= step[group])
    fixed, rate, least = np.array([(curve.fixed, curve.rate, curve.least) for curve in curves]).T[:, place]
    times = fixed + rate * sizes
    levels = max(len(curve.fills) for curve in curves)
    for level in range(levels):
        ramps = [
            (curve.fills[level].ceiling, curve.fills[level].knee) if level < len(curve.fills) else (0.0, 1.0)
            for curve in curves
        ]
        ceiling, knee = np.array(ramps).T[:, place]
        times = times + ceiling * sizes / (sizes + knee)
    found_times: Floats = np.where(nbytes > 0, np.maximum(least, times), 0.0)
    return found_times
