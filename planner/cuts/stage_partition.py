"""Cut of a network into pipeline stages whose slowest stage is as fast as possible within memory limits.

The dynamic programme of :mod:`simdl.step.cuts.stage_cut` first. It is exact with the memory of every stage
for itself, and so for one stage per rank. Where several share the memory of a rank it gives two bounds: no
cut is faster than the one in which each stage may have all of its rank's room, and one in which each has an
equal part of it fits. Only where the one does not fit and the other is slower do both ranks and stages count:
for equal blocks in a row :mod:`planner.cuts.repeated_partition` finds the best cut, for others the integer
program of :mod:`planner.cuts.stage_program` decides between the two, within ``WORK``, after which its best
cut so far is taken, or the second of the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from planner.cuts.repeated_partition import EXACT, solve_repeated_partition
from planner.cuts.stage_program import GIB, Row, cut_of, memory_name, partition_program
from planner.errors import InfeasibleError, SolverError
from planner.solver.ilp import solve_program
from simdl.step.cuts.stage_cut import Cut, Table, cheapest_cut, fastest_cut, range_sums, stage_costs

WORK = 200_000
"""Variables of an integer program times the branches that it may take, a few seconds of the solver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """Seconds of a stage, and bytes per stage, by first block and end."""

    time: Table
    nbytes: tuple[Table, ...]

    def within(self, room: Sequence[float]) -> list[Table]:
        """Seconds per stage, infinite where its bytes exceed its room."""
        return [
            np.where(nbytes <= limit * (1 + EXACT), self.time, np.inf)
            for nbytes, limit in zip(self.nbytes, room, strict=True)
        ]


def solve_stage_partition(rows: Sequence[Row], room: Sequence[float], *, virtual_stages: int = 1) -> Cut:
    """Blocks per stage in chain order.

    Args:
        rows: the chain.
        room: [bytes] that the blocks of each pipeline rank may need.
        virtual_stages: stages per rank; stage s is on rank s mod len(room).

    Raises:
        InfeasibleError: no cut fits; names the ranks whose limits bind and the bytes they are short.
        SolverError: the solver gave up without a cut.
    """
    stages = len(room) * virtual_stages
    tables = _tables(rows, stages)
    whole = [room[stage % len(room)] for stage in range(stages)]
    relaxed = fastest_cut(tables.within(whole))
    if relaxed is not None and _fits(tables, relaxed, room):
        return relaxed
    if relaxed is None or _least_need(tables) > sum(room) * (1 + EXACT):
        raise _infeasible(tables, room)
    least = _slowest(tables, relaxed)
    start = fastest_cut(tables.within([limit / virtual_stages for limit in whole]))
    most = _slowest(tables, start) if start else inf
    if start is not None and most <= least * (1 + EXACT):
        return start
    exact = solve_repeated_partition(rows, room, stages)
    if exact is not None:
        return exact
    program = partition_program(rows, room, stages, between=(least, most))
    try:
        limit = max(1, WORK // len(program.variables))
        return cut_of(solve_program(program, node_limit=limit), len(rows), stages)
    except SolverError:
        if start is None:
            raise
        return start


def _tables(rows: Sequence[Row], stages: int) -> _Tables:
    chain = [row for row in rows for _ in range(row.count)]
    needs = [tuple(row.nbytes[stage] for row in chain) for stage in range(stages)]
    distinct = {need: range_sums(need) for need in dict.fromkeys(needs)}
    return _Tables(
        time=range_sums([row.time for row in chain]), nbytes=tuple(distinct[need] for need in needs)
    )


def _slowest(tables: _Tables, cut: Cut) -> float:
    return max(stage_costs([tables.time] * len(cut), cut))


def _fits(tables: _Tables, cut: Cut, room: Sequence[float]) -> bool:
    """Whether the stages of every rank fit together."""
    needs = stage_costs(tables.nbytes, cut)
    return all(sum(needs[rank :: len(room)]) <= limit * (1 + EXACT) for rank, limit in enumerate(room))


def _least_need(tables: _Tables) -> float:
    """[bytes] that all ranks need together at least."""
    leanest = cheapest_cut(tables.nbytes)
    return sum(stage_costs(tables.nbytes, leanest)) if leanest else inf


def _infeasible(tables: _Tables, room: Sequence[float]) -> InfeasibleError:
    """What each rank is short of in the cut whose stages miss least of an equal part of their rank's room."""
    stages = len(tables.nbytes)
    parts = [room[stage % len(room)] * len(room) / stages for stage in range(stages)]
    missing = [np.maximum(nbytes - part, 0.0) for nbytes, part in zip(tables.nbytes, parts, strict=True)]
    cut = cheapest_cut(missing)
    needs = stage_costs(tables.nbytes, cut) if cut else ()
    short = {memory_name(rank): sum(needs[rank :: len(room)]) - limit for rank, limit in enumerate(room)}
    binding = {name: nbytes / GIB for name, nbytes in short.items() if nbytes > 0}
    return InfeasibleError(f"cut into {stages} stages", binding)
