"""The integer program of a stage partition, for stages that share the memory of their rank.

With c[s, g] blocks of group g (equal blocks in a row, time t_g, bytes b_g) in stages 0 to s and x = c[s] -
c[s - 1],

    minimise T   under   sum_g t_g x[s, g] <= T,   sum over stages of rank r of b[s, g] x[s, g] <= room of r,
                         c[s, g + 1] > 0 only if c[s, g] is the whole group,   every stage holds a block

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
class Group:
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


def cut_of(solution: Solution, groups: int, stages: int) -> tuple[int, ...]:
    """Blocks per stage of a solution."""
    ends = [sum(_blocks(solution, stage, index) for index in range(groups)) for stage in range(stages)]
    return tuple(end - start for start, end in zip([0, *ends[:-1]], ends, strict=True))


def memory_name(rank: int) -> str:
    """The limit of a rank's memory, as messages name it."""
    return f"memory of rank {rank} [GiB]"


def _blocks(solution: Solution, stage: int, group: int) -> int:
    return round(solution.values[_count(stage, group)])


def _count(stage: int, group: int) -> str:
    return f"blocks of group {group} up to stage {stage}"


def _whole(stage: int, group: int) -> str:
    return f"group {group} is complete at stage {stage}"


def partition_program(
    groups: Sequence[Group], room: Sequence[float], stages: int, *, between: tuple[float, float]
) -> Program:
    """The integer program of a partition; times and bytes are scaled to the order of one.

    Args:
        groups: the chain.
        room: [bytes] that the blocks of each pipeline rank may need.
        stages: virtual stages of all ranks.
        between: [s] that the slowest stage is known to take, at least and at most.
    """
    total = sum(group.time * group.count for group in groups) or 1.0
    least, most = between[0] / total * (1 - ROUNDING), between[1] / total * (1 + ROUNDING)
    slowest = Variable(name="slowest", low=least, high=most if isfinite(most) else None)
    counts = [
        Variable(name=_count(s, g), high=group.count, integer=True)
        for s in range(stages)
        for g, group in enumerate(groups)
    ]
    whole = [
        Variable(name=_whole(s, g), high=1, integer=True)
        for s in range(stages)
        for g in range(len(groups) - 1)
    ]
    constraints = [
        *(_load(groups, s, total) for s in range(stages)),
        *(_memory(groups, range(rank, stages, len(room)), limit) for rank, limit in enumerate(room)),
        *(_filled(groups, s) for s in range(stages)),
        *(rule for s in range(stages) for g in range(len(groups)) for rule in _order(groups, s, g, stages)),
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


def _load(groups: Sequence[Group], stage: int, total: float) -> Constraint:
    terms = _on_stage([group.time / total for group in groups], stage)
    return Constraint(name=f"time of stage {stage}", terms={**terms, "slowest": -1.0}, limit=0.0)


def _memory(groups: Sequence[Group], stages: range, limit: float) -> Constraint:
    """In GiB, so that coefficients are of the order of one."""
    terms: dict[str, float] = {}
    for stage in stages:
        for name, value in _on_stage([group.nbytes[stage] / GIB for group in groups], stage).items():
            terms[name] = terms.get(name, 0.0) + value
    return Constraint(name=memory_name(stages.start), terms=terms, limit=limit / GIB, elastic=True)


def _filled(groups: Sequence[Group], stage: int) -> Constraint:
    return Constraint(
        name=f"stage {stage} holds a block",
        terms={name: -value for name, value in _on_stage([1.0] * len(groups), stage).items()},
        limit=-1.0,
    )


def _order(groups: Sequence[Group], stage: int, group: int, stages: int) -> list[Constraint]:
    """Counts never fall, a group starts when the one before is complete, the last stage ends the chain."""
    here = _count(stage, group)
    rules = []
    if stage:
        rules.append(
            Constraint(name=f"{here} rises", terms={_count(stage - 1, group): 1.0, here: -1.0}, limit=0.0)
        )
    if stage == stages - 1:
        rules.append(
            Constraint(name=f"{here} ends", terms={here: 1.0}, limit=groups[group].count, equal=True)
        )
    if group + 1 < len(groups):
        whole, following = _whole(stage, group), groups[group + 1].count
        complete = {whole: float(groups[group].count), here: -1.0}
        after = {_count(stage, group + 1): 1.0, whole: -float(following)}
        rules.append(Constraint(name=f"{whole} if set", terms=complete, limit=0.0))
        rules.append(Constraint(name=f"{whole} before the next", terms=after, limit=0.0))
    return rules
