"""One workspace limit for each pass, reused from pass to pass: the dynamic programme of mu-cuDNN.

    T(b) = min(T_mu(b), min over b' of T(b') + T(b - b'))

T_mu(b) is the fastest algorithm for b samples within the limit, infinite where there is none (Oyama et al.
2018, workspace reuse). O(B^2) for a batch of B.
"""

from collections.abc import Iterable

import numpy as np

from planner.microbatch.configuration import Configuration, MicroBatch, build_configuration


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
    times, cuts = _table(fastest, batch)
    if times[batch] == np.inf:
        return None
    return build_configuration(_parts(fastest, cuts, batch))


def _table(fastest: dict[int, MicroBatch], batch: int) -> tuple["np.ndarray", list[int]]:
    """T(b) and the b' that attains it, 0 where b runs whole; both indexed by b, 0 to ``batch``."""
    times = np.full(batch + 1, np.inf)
    cuts = [0] * (batch + 1)
    for size in range(1, batch + 1):
        if size in fastest:
            times[size] = fastest[size].time
        if size > 1:
            half = size // 2
            divided = times[1 : half + 1] + times[size - 1 : size - half - 1 : -1]
            cut = int(divided.argmin())
            if divided[cut] < times[size]:
                times[size], cuts[size] = divided[cut], cut + 1
    return times, cuts


def _parts(fastest: dict[int, MicroBatch], cuts: list[int], batch: int) -> list[MicroBatch]:
    waiting, parts = [batch], []
    while waiting:
        size = waiting.pop()
        if cuts[size]:
            waiting += [cuts[size], size - cuts[size]]
        else:
            parts.append(fastest[size])
    return parts
