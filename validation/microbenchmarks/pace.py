"""How fast the machine is at the moment: a short piece of work of known size, again and again.

The guests of one host share its cores and caches, so a virtual machine may run a second or ten at two thirds
of its speed without a process beside ours. The work is the same whoever asks, a process alone or one of
several, and the calling thread does it where it stands: threads of a library that wait for their next work
spin on the other cores, and waking others takes longer than the work. So what a calibration saw, and a
training a day later, are told in the same seconds: what was measured at a slow moment is measured again
first, and how far the machine has drifted since it was calibrated is known.

On a busy virtual machine with two cores, under real-time priority, products, convolutions and chains of small
layers ranked like work of the calling thread with correlations of 0.7, large streams with 0.4; like work that
a pool of threads does with 0.3. On a quiet one single probes vary by 12 % and kernels rank like them with
0.3: there the median over a run alone tells something (`measurement.at_one_speed`).
"""

import time
from collections.abc import Callable

import numpy as np

ELEMENTS = 2**18
"""Of the array that is multiplied, a megabyte: in a core's cache, or where that is less in the shared one."""
TURNS = 4
"""Times that it is."""
TRIES = 3
"""Pieces of work of which the least counts; the first one also fills the cache."""


class Pace:
    """A probe of the processor."""

    def __init__(self) -> None:
        self._array = np.ones(ELEMENTS, dtype=np.float32)

    def seconds(self) -> float:
        """[s] that the work takes now."""
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
