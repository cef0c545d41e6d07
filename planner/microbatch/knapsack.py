"""The unbounded knapsack that micro-batches are chosen by: one more size, used any number of times.

    T'(b) = min over k of T(b - k s) + k t

Totals b that leave the same rest when divided by s form a row, along which T(b) - (b div s) t has its running
least; so a size takes one pass over the totals, all at once.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
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
    found = times.copy()
    take_up(found, np.empty(len(times), dtype=np.int64), 0, size, time)
    return found


def take_up(times: Floats, last: Places, place: int, size: int, time: float) -> None:
    """Shorten every total that ``size`` samples in ``time`` [s] shorten, and note there who did.

    Args:
        times: [totals] least seconds so far; changed in place.
        last: [totals] what was added last; changed in place.
        place: what this size is called in ``last``.
        size: [samples] taken up, any number of times.
        time: [s] of it.
    """
    count = len(times)
    rows = -(-count // size)
    if rows <= FEW:
        for begin in range(size, count, size):
            after = times[begin : begin + size]
            longer = times[begin - size : begin - size + len(after)] + time
            shortened = longer < after
            np.copyto(after, longer, where=shortened)
            np.copyto(last[begin : begin + size], place, where=shortened)
        return
    padded = np.full(rows * size, np.inf)
    padded[:count] = times
    added = time * np.arange(rows)[:, None]
    least = np.minimum.accumulate(padded.reshape(rows, size) - added, axis=0) + added
    found = least.ravel()[:count]
    shortened = found < times * (1 - ROUNDING)
    np.copyto(times, found, where=shortened)
    np.copyto(last, place, where=shortened)


def is_useful(times: Floats, size: int, time: float) -> bool:
    """Whether a size shortens anything: not if what there is reaches it as fast."""
    return size < len(times) and time < times[size] * (1 - ROUNDING)
