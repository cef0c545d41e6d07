"""The desirable set: configurations of one pass that none beats in both time and workspace.

Micro-batches are taken up in order of their workspace w. With T_w(b) the least time for b samples within w, a
micro-batch of size s and time t that comes next gives

    T_w'(b) = min over k of T_w(b - k s) + k t

(an unbounded knapsack), and whenever T_w(B) falls, its configuration is desirable. The set is that of Oyama
et al. 2018, whose recursion merges the sets of b' and b - b' instead; here a micro-batch that does not beat
what smaller ones already reach costs nothing.
"""

from collections.abc import Iterable
from itertools import groupby
from math import inf

import numpy as np

from planner.microbatch.configuration import Configuration, MicroBatch, build_configuration
from planner.microbatch.knapsack import Places, is_useful, nothing_yet, take_up


def desirable_configurations(
    options: Iterable[MicroBatch], batch: int, limit: float = inf
) -> tuple[Configuration, ...]:
    """The Pareto-optimal configurations of one pass, by rising workspace and falling time.

    Args:
        options: micro-batches to choose from; each may be used any number of times.
        batch: samples to cover.
        limit: [bytes] of workspace that none may exceed.

    Returns:
        The configurations; empty if none covers the batch.
    """
    times, last = nothing_yet(batch), np.full(batch + 1, -1)
    found: list[Configuration] = []
    fitting = (part for part in options if part.workspace <= limit)
    ordered = sorted(fitting, key=lambda part: (part.workspace, part.size, part.time))
    for _, parts in groupby(enumerate(ordered), key=lambda item: item[1].workspace):
        before = times[batch]
        for place, part in parts:
            if is_useful(times, part.size, part.time):
                take_up(times, last, place, part.size, part.time)
        if times[batch] < before:
            found.append(build_configuration(_chosen(ordered, last)))
    return tuple(found)


def _chosen(ordered: list[MicroBatch], last: Places) -> list[MicroBatch]:
    """What the whole batch is made of; ``last`` is the micro-batch that was added last to each total."""
    left, parts = len(last) - 1, []
    while left:
        part = ordered[last[left]]
        parts.append(part)
        left -= part.size
    return parts
