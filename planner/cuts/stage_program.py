"""The integer program of a stage partition, for stages that share the memory of their rank.

With c[s, g] blocks of row g (equal blocks in a row, time t_g, bytes b_g) in stages 0 to s and x = c[s] -
c[s - 1],

    minimise T   under   sum_g t_g x[s, g] <= T,   sum over stages of rank r of b[s, g] x[s, g] <= room of r,
                         c[s, g + 1] > 0 only if c[s, g] is the whole row,   every stage holds a block

A chain partition (Bokhari 1988) as an integer program: repeated blocks are one variable a stage, so that a
transformer of 96 layers takes no longer than one of 12.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from planner.solver.ilp import Constraint, Program, Solution, Variable

GIB = 2.0**30
ROUNDING = 1e-9
"""Relative: how far a known bound stands off, so that rounding cannot exclude what attains it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Equal blocks in a row.

    Attributes:
        name: for messages.
        count: how many.
        time: [s] one of them takes per microbatch.
        nbytes: [stages] bytes that one of them needs on each stage.
    """

    name: str
    count: int
    time: float
    nbytes: tuple[float, ...]


def cut_of(solution: Solution, rows: int, stages: int) -> tuple[int, ...]:
    """Blocks per stage of a solution."""
    ends = [sum(_blocks(solution, stage, index) for index in range(rows)) for stage in range(stages)]
    return tuple(end - start for start, end in zip([0, *ends[:-1]], ends, strict=True))


def memory_name(rank: int) -> str:
    """The limit of a rank's memory, as messages name it."""
    return f"memory of rank {rank} [GiB]"


def _blocks(solution: Solution, stage: int, row: int) -> int:
    return round(solution.values[_count(stage, row)])


def _count(stage: int, row: int) -> str:
    return f"blocks of row {row} up to stage {stage}"


def _whole(stage: int, row: int) -> str:
    return f"row {row} is complete at stage {stage}"


def partition_program(
    rows: Sequence[Row], room: Sequence[float], stages: int, *, between: tuple[float, float]
) -> Program:
    """The integer program of a partition; times and bytes are scaled to the order of one.

    Args:
        rows: the chain.
        room: [bytes] that the blocks of each pipeline rank may need.
        stages: virtual stages of all ranks.
        between: [s] that the slowest stage is known to take, at least and at most.
    """
    total = sum(row.time * row.count for row in rows) or 1.0
    least, most = between[0] / total * (1 - ROUNDING), between[1] / total * (1 + ROUNDING)
    slowest = Variable(name="slowest", low=least, high=most if isfinite(most) else None)
    counts = [
        Variable(name=_count(s, g), high=row.count, integer=True)
        for s in range(stages)
        for g, row in enumerate(rows)
    ]
    whole = [
        Variable(name=_whole(s, g), high=1, integer=True) for s in range(stages) for g in range(len(rows) - 1)
    ]
    constraints = [
        *(_load(rows, s, total) for s in range(stages)),
        *(_memory(rows, range(rank, stages, len(room)), limit) for rank, limit in enumerate(room)),
        *(_filled(rows, s) for s in range(stages)),
        *(rule for s in range(stages) for g in range(len(rows)) for rule in _order(rows, s, g, stages)),
    ]
    return Program(
        name=f"cut into {stages} stages",
        objective={"slowest": 1.0},
        variables=(slowest, *counts, *whole),
        constraints=tuple(constraints),
    )


def _on_stage(coefficients: Sequence[float], stage: int) -> dict[str, float]:
    """Sum of coefficient x (c[s, g] - c[s - 1, g])."""
    terms = {_count(stage, g): value for g, value in enumerate(coefficients)}
    if stage:
        terms |= {_count(stage - 1, g): -value for g, value in enumerate(coefficients)}
    return terms


def _load(rows: Sequence[Row], stage: int, total: float) -> Constraint:
    terms = _on_stage([row.time / total for row in rows], stage)
    return Constraint(name=f"time of stage {stage}", terms={**terms, "slowest": -1.0}, limit=0.0)


def _memory(rows: Sequence[Row], stages: range, limit: float) -> Constraint:
    """In GiB, so that coefficients are of the order of one."""
    terms: dict[str, float] = {}
    for stage in stages:
        for name, value in _on_stage([row.nbytes[stage] / GIB for row in rows], stage).items():
            terms[name] = terms.get(name, 0.0) + value
    return Constraint(name=memory_name(stages.start), terms=terms, limit=limit / GIB, elastic=True)


def _filled(rows: Sequence[Row], stage: int) -> Constraint:
    return Constraint(
        name=f"stage {stage} holds a block",
        terms={name: -value for name, value in _on_stage([1.0] * len(rows), stage).items()},
        limit=-1.0,
    )


def _order(rows: Sequence[Row], stage: int, row: int, stages: int) -> list[Constraint]:
    """Counts never fall, a row starts when the one before is complete, the last stage ends the chain."""
    here = _count(stage, row)
    rules = []
    if stage:
        rules.append(
            Constraint(name=f"{here} rises", terms={_count(stage - 1, row): 1.0, here: -1.0}, limit=0.0)
        )
    if stage == stages - 1:
        rules.append(Constraint(name=f"{here} ends", terms={here: 1.0}, limit=rows[row].count, equal=True))
    if row + 1 < len(rows):
        whole, following = _whole(stage, row), rows[row + 1].count
        complete = {whole: float(rows[row].count), here: -1.0}
        after = {_count(stage, row + 1): 1.0, whole: -float(following)}
        rules.append(Constraint(name=f"{whole} if set", terms=complete, limit=0.0))
        rules.append(Constraint(name=f"{whole} before the next", terms=after, limit=0.0))
    return rules
