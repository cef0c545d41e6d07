"""One workspace limit for each pass, reused from pass to pass: the dynamic programme of mu-cuDNN.

    T(b) = min(T_mu(b), min over b' of T(b') + T(b - b'))

T_mu(b) is the fastest algorithm for b samples within the limit, infinite where there is none (Oyama et al.
2018, workspace reuse), in O(B^2). A few sizes are taken up one by one instead, in O(B) each
(:mod:`.knapsack`), which gives the same: every b is a sum of sizes that run whole.
"""

from collections.abc import Iterable

import numpy as np

from planner.microbatch.configuration import Configuration, MicroBatch, build_configuration
from planner.microbatch.knapsack import ROUNDING, Floats, is_useful, nothing_yet, with_size

SPARSE = 64
"""Sizes up to which they are taken up one by one."""


def solve_reuse(options: Iterable[MicroBatch], batch: int, limit: float) -> Configuration | None:
    """The fastest configuration of one pass within a workspace limit.

    Args:
        options: micro-batches to choose from; each may be used any number of times.
        batch: samples to cover.
        limit: [bytes] of workspace of each micro-batch.

    Returns:
        The configuration; None if none covers the batch.
    """
    fastest: dict[int, MicroBatch] = {}
    for part in options:
        known = fastest.get(part.size)
        if part.workspace <= limit and (known is None or part.time < known.time):
            fastest[part.size] = part
    times = _by_size(fastest, batch) if len(fastest) <= SPARSE else _by_total(fastest, batch)
    return build_configuration(_parts(fastest, times)) if np.isfinite(times[batch]) else None


def _by_size(fastest: dict[int, MicroBatch], batch: int) -> Floats:
    """T(b) by taking up one size after the other."""
    times = nothing_yet(batch)
    for size, part in sorted(fastest.items()):
        if is_useful(times, size, part.time):
            times = with_size(times, size, part.time)
    return times


def _by_total(fastest: dict[int, MicroBatch], batch: int) -> Floats:
    """T(b) by taking up one total after the other."""
    times = nothing_yet(batch)
    for total in range(1, batch + 1):
        if total in fastest:
            times[total] = fastest[total].time
        if total > 1:
            half = total // 2
            divided = times[1 : half + 1] + times[total - 1 : total - half - 1 : -1]
            times[total] = min(times[total], divided.min())
    return times


def _parts(fastest: dict[int, MicroBatch], times: Floats) -> list[MicroBatch]:
    """Micro-batches of least time; of equally fast ones the largest, which are the fewest."""
    sizes = np.array(sorted(fastest, reverse=True))
    alone = np.array([fastest[size].time for size in sizes])
    left, parts = len(times) - 1, []
    while left:
        first = int(np.searchsorted(-sizes, -left))  # larger ones do not fit
        sums = times[left - sizes[first:]] + alone[first:]
        chosen = first + int(np.argmax(sums <= sums.min() * (1 + ROUNDING)))
        parts.append(fastest[int(sizes[chosen])])
        left -= int(sizes[chosen])
    return parts
