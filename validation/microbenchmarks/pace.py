"""How fast the machine is at the moment: a short piece of work of known size, again and again.

The guests of one host share its cores and caches, so a virtual machine may run a second or ten at two thirds
of its speed without a process beside ours. The work is the same whoever asks, a process alone or one of
several: the calling thread does it on one core after another, because waking others takes longer than the
work. So what a calibration saw, and a training a day later, are told in the same seconds: what was measured
at a slow moment is measured again first, and how far the machine has drifted since it was calibrated is
known.

On a busy virtual machine with two cores, under real-time priority, products, convolutions and chains of small
layers ranked like this probe with correlations of 0.7, large streams with 0.4; work handed to a pool of
threads ranked like them with 0.3.
"""

import os
import time
from collections.abc import Callable

import numpy as np

ELEMENTS = 2**18
"""Of the array that is multiplied, a megabyte: from the core's own cache."""
TURNS = 4
"""Times that it is."""
TRIES = 2
"""Pieces of work of which the lesser counts; the first one also fills the cache of its core."""
CORES = 4
"""Of those that this process may run on, at most; spread evenly."""


class Pace:
    """A probe of the processor: the mean over cores."""

    def __init__(self) -> None:
        self._array = np.ones(ELEMENTS, dtype=np.float32)
        self._allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()
        cores = sorted(self._allowed)
        self._probed = cores[:: -(-len(cores) // CORES)] if cores else []

    def seconds(self) -> float:
        """[s] that the work takes now."""
        if not self._probed:
            return self._least()
        try:
            return sum(self._on(core) for core in self._probed) / len(self._probed)
        finally:
            os.sched_setaffinity(0, self._allowed)

    def _on(self, core: int) -> float:
        os.sched_setaffinity(0, {core})  # of the calling thread alone
        return self._least()

    def _least(self) -> float:
        return min(self._once() for _ in range(TRIES))

    def _once(self) -> float:
        start = time.perf_counter()
        for _ in range(TURNS):
            np.multiply(self._array, 1.0, out=self._array)
        return time.perf_counter() - start


def no_pace() -> float:
    """[s] of devices whose speed nobody else changes: always the same."""
    return 1.0


def find_pace(kind: str) -> Callable[[], float]:
    """The probe for a kind of device, ``cpu`` or ``cuda``."""
    return Pace().seconds if kind == "cpu" else no_pace
