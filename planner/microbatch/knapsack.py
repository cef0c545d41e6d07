"""The unbounded knapsack that micro-batches are chosen by: one more size, used any number of times.

    T'(b) = min over k of T(b - k s) + k t

Totals b that leave the same rest when divided by s form a row, along which T(b) - (b div s) t has its running
least; so a size takes one pass over the totals, all at once.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FEW = 16
"""Rows up to which one after another is quicker than all at once."""
ROUNDING = 1e-12
"""Relative; times nearer than this are taken to be equal."""


def nothing_yet(batch: int) -> Floats:
    """[s] of every total from 0 to ``batch`` before there is anything to build it from."""
    times = np.full(batch + 1, np.inf)
    times[0] = 0.0
    return times


def with_size(times: Floats, size: int, time: float) -> Floats:
    """[s] of every total when ``size`` samples in ``time`` [s] may be added any number of times.

    Example:
        >>> with_size(nothing_yet(4), 2, 3.0).tolist()
        [0.0, inf, 3.0, inf, 6.0]
    """
    count = len(times)
    rows = -(-count // size)
    if rows <= FEW:
        found = times.copy()
        for begin in range(size, count, size):
            after = found[begin : begin + size]
            np.minimum(after, found[begin - size : begin - size + len(after)] + time, out=after)
        return found
    padded = np.full(rows * size, np.inf)
    padded[:count] = times
    added = time * np.arange(rows)[:, None]
    least = np.minimum.accumulate(padded.reshape(rows, size) - added, axis=0) + added
    found = least.ravel()[:count]
    return np.where(found < times * (1 - ROUNDING), found, times)


def is_useful(times: Floats, size: int, time: float) -> bool:
    """Whether a size shortens anything: not if what there is reaches it as fast."""
    return size < len(times) and time < times[size] * (1 - ROUNDING)
