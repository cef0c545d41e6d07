"""Cut of equal blocks in a row into stages that share the memory of their ranks, exactly.

With one block at most on either side, as an embedding and a head, stage s has n[s] of the equal blocks beside
what is fixed there. Which of them it has does not matter, so ranks have to do with each other through the sum
of all n[s] alone, and for a slowest stage T

    n[s] <= (T - fixed time of s) / t,    sum over stages of rank r of b[s] n[s] <= what is left of its room

allow each rank a number of blocks by themselves: a knapsack in which all are worth the same, so those that
need least memory go first. T is the least of the times that stages can take at which these numbers together
reach all blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from planner.cuts.stage_program import Row
from simdl.step.cuts.stage_cut import Cut

EXACT = 1e-9
"""Relative: what rounding may make of equal sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repeated:
    """The row of equal blocks, and what stands beside it.

    Attributes:
        row: the equal blocks.
        time: [stages] seconds of what is fixed.
        least: [stages] equal blocks that every stage has.
        room: [ranks] bytes beside what is fixed and these.
    """

    row: Row
    time: list[float]
    least: list[int]
    room: list[float]


def solve_repeated_partition(rows: Sequence[Row], room: Sequence[float], stages: int) -> Cut | None:
    """Blocks per stage; None where rows are others, or no cut fits.

    Args:
        rows: the chain.
        room: [bytes] that the blocks of each pipeline rank may need.
        stages: of all ranks; stage s is on rank s mod len(room).
    """
    case = _repeated(rows, room, stages)
    if case is None or min(case.room) < 0 or sum(case.least) > case.row.count:
        return None
    each = np.arange(case.row.count + 1) * case.row.time
    times = np.unique([fixed + each for fixed in {*case.time}])
    first, end = 0, len(times)
    while first < end:  # the least time at which all blocks find a place
        middle = (first + end) // 2
        if sum(_most(case, float(times[middle]))) < case.row.count:
            first = middle + 1
        else:
            end = middle
    if first == len(times):
        return None
    held = _most(case, float(times[first]))
    for _ in range(sum(held) - case.row.count):
        held[max(range(stages), key=lambda stage: (held[stage] > case.least[stage], held[stage]))] -= 1
    ends = [sum(row.count for row in part) for part in _beside(rows)]
    held[0] += ends[0]
    held[-1] += ends[1]
    return tuple(held)


def _beside(rows: Sequence[Row]) -> tuple[Sequence[Row], Sequence[Row]]:
    """What stands before and behind the longest row."""
    place = max(range(len(rows)), key=lambda index: rows[index].count)
    return rows[:place], rows[place + 1 :]


def _repeated(rows: Sequence[Row], room: Sequence[float], stages: int) -> _Repeated | None:
    sides = _beside(rows)
    row = rows[len(sides[0])]
    if stages == 1 or row.time <= 0 or any(sum(one.count for one in side) > 1 for side in sides):
        return None
    time, least, left = [0.0] * stages, [1] * stages, list(room)
    for stage, side in zip((0, stages - 1), sides, strict=True):
        for one in side:
            time[stage], least[stage] = one.time, 0
            left[stage % len(room)] -= one.nbytes[stage]
    for stage, count in enumerate(least):
        left[stage % len(room)] -= count * row.nbytes[stage]
    slack = [EXACT * limit for limit in room]
    return _Repeated(row=row, time=time, least=least, room=[a + b for a, b in zip(left, slack, strict=True)])


def _most(case: _Repeated, slowest: float) -> list[int]:
    """Equal blocks of every stage where ranks hold as many as they can; none where a stage takes longer."""
    row, limit = case.row, slowest * (1 + EXACT)
    caps = [int((limit - fixed) / row.time) if fixed <= limit else -1 for fixed in case.time]
    if any(cap < least for cap, least in zip(caps, case.least, strict=True)):
        return [0] * len(caps)
    held, ranks = list(case.least), len(case.room)
    for rank, room in enumerate(case.room):
        left = room
        for stage in sorted(range(rank, len(caps), ranks), key=lambda stage: row.nbytes[stage]):
            need = row.nbytes[stage]
            fit = left / need if need > 0 else inf
            more = int(min(caps[stage] - held[stage], fit))
            held[stage] += more
            left -= more * need
    return held
