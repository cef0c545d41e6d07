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

from planner.microbatch.configuration import Configuration, MicroBatch, build_configuration


def desirable_configurations(options: Iterable[MicroBatch], batch: int) -> tuple[Configuration, ...]:
    """The Pareto-optimal configurations of one pass, by rising workspace and falling time.

    Args:
        options: micro-batches to choose from; each may be used any number of times.
        batch: samples to cover.

    Returns:
        The configurations; empty if none covers the batch.
    """
    times = [0.0] + [float("inf")] * batch
    last: list[MicroBatch | None] = [None] * (batch + 1)
    found: list[Configuration] = []
    ordered = sorted(options, key=lambda part: (part.workspace, part.size, part.time))
    for _, parts in groupby(ordered, key=lambda part: part.workspace):
        before = times[batch]
        for part in parts:
            _take_up(part, times, last)
        if times[batch] < before:
            found.append(build_configuration(_chosen(last, batch)))
    return tuple(found)


def _take_up(part: MicroBatch, times: list[float], last: list[MicroBatch | None]) -> None:
    """Let ``part`` be used any number of times; useless if smaller ones reach its size as fast."""
    size, time = part.size, part.time
    if size >= len(times) or time >= times[size]:
        return
    for total in range(size, len(times)):
        candidate = times[total - size] + time
        if candidate < times[total]:
            times[total] = candidate
            last[total] = part


def _chosen(last: list[MicroBatch | None], batch: int) -> list[MicroBatch]:
    parts = []
    while batch:
        part = last[batch]
        assert part is not None  # noqa: S101 - a finite time has been built from parts
        parts.append(part)
        batch -= part.size
    return parts
