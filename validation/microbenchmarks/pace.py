"""How fast the machine is at the moment: a short piece of work of known size, again and again.

The guests of one host share its cores and caches, so a virtual machine may run a second or ten at two thirds
of its speed without a process beside ours. The work is the same whoever asks: all cores at once, whether one
process measures or several do. So what a calibration saw, and a training a day later, are told in the same
seconds: what was measured at a slow moment is measured again first, and how far the machine has drifted since
it was calibrated is known.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from simdl.cores import usable_cores

ELEMENTS = 2**18
"""Of the array that every thread multiplies, a megabyte: from its own core's cache."""
TURNS = 4
"""Times that it does."""


class Pace:
    """A probe of the processor.

    Args:
        threads: that work at the same time; the slowest counts.
    """

    def __init__(self, threads: int) -> None:
        self._arrays = [np.ones(ELEMENTS, dtype=np.float32) for _ in range(threads)]
        self._pool = ThreadPoolExecutor(threads)

    def seconds(self) -> float:
        """[s] that the work takes now; the lesser of two tries."""
        return min(max(self._pool.map(_multiply, self._arrays)) for _ in range(2))


def no_pace() -> float:
    """[s] of devices whose speed nobody else changes: always the same."""
    return 1.0


def find_pace(kind: str) -> Callable[[], float]:
    """The probe for a kind of device, ``cpu`` or ``cuda``."""
    return Pace(usable_cores()).seconds if kind == "cpu" else no_pace


def _multiply(array: np.ndarray) -> float:
    start = time.perf_counter()
    for _ in range(TURNS):
        np.multiply(array, 1.0, out=array)
    return time.perf_counter() - start
