"""Samples of one case: warm-up, rotated buffers, lower quartiles with their spread.

A sample is the mean over a few calls where one call is shorter than the clock can tell. Each call takes the
next set of buffers and its result is kept until its place comes round again, so that neither operands nor
results are found in the cache by accident. Other work on the machine only ever adds time: a sample's value is
its lower quartile, cases are measured in several rounds far apart, and the quietest round counts
(`validation.microbenchmarks.measurement`). Where several processes measure, each other's work is part of what
is measured, and their median counts: a quartile would be of the moments when a companion rests.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import final

SHORTEST = 20e-6
"""[s] that a sample should at least take, against the resolution and cost of the clock."""

FEWEST, MOST = 5, 200
"""Samples of a round; calls over ``LONG`` [s] make do with ``FEW``, those over ``SLOW`` [s] with two."""

FEW, LONG, SLOW = 3, 10e-3, 0.5

WARM = 0.01
"""[s] of warm-up, one call at least."""

Call = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Samples of one round.

    Attributes:
        quiet: [s] of one call, lower quartile of the samples.
        usual: [s], their median.
        spread: interquartile range over the median.
        least: [s], of the shortest sample.
        samples: how many.
    """

    quiet: float
    usual: float
    spread: float
    least: float
    samples: int


class Timer(ABC):
    """A clock for calls on one device."""

    @abstractmethod
    def seconds(self, calls: Sequence[Call]) -> float:
        """Seconds that the calls take one after another."""


@final
class HostTimer(Timer):
    """For kernels that run in the calling thread and end before they return."""

    def seconds(self, calls: Sequence[Call]) -> float:
        """Seconds that the calls take one after another."""
        start = time.perf_counter()
        for call in calls:
            call()
        return time.perf_counter() - start


class Ring:
    """Calls on rotated buffers; keeps as many results as there are sets of buffers."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = calls
        self._kept: list[object] = [None] * len(calls)
        self._next = 0

    def __call__(self) -> None:
        """Run the next call and keep its result in place of the one before."""
        index = self._next
        self._kept[index] = self._calls[index]()
        self._next = (index + 1) % len(self._calls)


def sample(calls: Sequence[Call], timer: Timer, budget: float) -> Timing:
    """Time a case.

    Args:
        calls: the same kernel on different buffers.
        timer: clock of the device.
        budget: [s] for the samples, beyond the fewest.
    """
    ring = Ring(calls)
    start = time.monotonic()
    for _ in calls:  # the first round over the buffers, as far as time allows
        ring()
        if time.monotonic() - start > WARM:
            break
    first = timer.seconds([ring])
    group = max(1, min(MOST, round(SHORTEST / max(first, 1e-9))))
    fewest = (FEW if first < SLOW else 2) if first > LONG else FEWEST
    count = max(fewest, min(MOST, int(budget / max(first * group, 1e-9))))
    return summarize([timer.seconds([ring] * group) / group for _ in range(count)])


def summarize(samples: Sequence[float]) -> Timing:
    """Lower quartile, median, spread and least of at least two samples [s]."""
    low, middle, high = quantiles(samples, n=4, method="inclusive")
    spread = (high - low) / middle
    return Timing(quiet=low, usual=middle, spread=spread, least=min(samples), samples=len(samples))
