"""The front door of micro-batching: what passes can be made of and a limit in, a proven choice out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from time import perf_counter
from typing import NoReturn, TypeVar

from planner.errors import InfeasibleError
from planner.microbatch.configuration import Configuration, MicroBatch
from planner.microbatch.costs import PassOptions
from planner.microbatch.desirable import desirable_configurations
from planner.microbatch.division import solve_division
from planner.microbatch.reuse import solve_reuse
from simdl.errors import SimdlError
from workloads.operators import Pass

Result = TypeVar("Result")


class Mode(StrEnum):
    """Who shares a workspace."""

    REUSE = "reuse"
    """one limit for each pass; the memory is reused"""
    DIVISION = "division"
    """one limit for all passes together"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a pass should run.

    Attributes:
        layer, which: the pass.
        measured: whether its times are from a table.
        configuration: its micro-batches.
        undivided: what it would run whole, None where that does not fit.
        layout: of its tensors, ``""`` where none was chosen.
    """

    layer: str
    which: Pass
    measured: bool
    configuration: Configuration
    undivided: Configuration | None
    layout: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MicrobatchPlan:
    """Chosen configurations, and how sure they are.

    Attributes:
        choices: in the order of the passes.
        time: [s] of all passes.
        undivided_time: [s] of all passes undivided under the same limit; None if they do not fit.
        workspace: [bytes] in all: the largest (reuse) or the sum (division).
        optimal: whether no faster choice exists.
        bound: [s] proven least time.
        priced: launches to choose from before dominated ones were removed.
        considered: what was left to choose from: launches (reuse), configurations (division).
        solve_time: [s] from priced launches to the choice.
        conversions: [s] of tensors that are written in one layout and read in another, part of ``time``.
    """

    choices: tuple[Choice, ...]
    time: float
    undivided_time: float | None
    workspace: float
    optimal: bool
    bound: float
    priced: int
    considered: int
    solve_time: float
    conversions: float = 0.0

    @property
    def gap(self) -> float:
        """Share of the time that a better choice might still save, to 12 digits (sums round)."""
        return round(1 - self.bound / self.time, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Solved:
    chosen: tuple[Configuration, ...]
    optimal: bool
    bound: float
    considered: int


def plan_micro_batches(
    passes: Sequence[PassOptions], *, batch: int, workspace: float, mode: Mode
) -> MicrobatchPlan:
    """The fastest configurations of all passes within a workspace limit.

    Args:
        passes: what each can be made of (`planner.microbatch.costs.price_passes`).
        batch: samples that each pass covers.
        workspace: [bytes] of each pass (reuse) or of all together (division).
        mode: who shares the limit.

    Raises:
        SimdlError: the limit is below one byte, or no configuration covers the batch whatever the limit.
        InfeasibleError: the limit is too low; names the passes it binds, or by how much the total is short.
        SolverError: the solver gave up.
    """
    if workspace < 1:
        raise SimdlError(f"workspace: found {workspace:g} bytes; expected at least 1")
    began = perf_counter()
    solve = _reuse if mode is Mode.REUSE else _division
    solved = solve(passes, batch, workspace)
    undivided = _undivided(solve, passes, batch, workspace)
    spaces = [configuration.workspace for configuration in solved.chosen]
    time = sum(configuration.time for configuration in solved.chosen)
    return MicrobatchPlan(
        choices=tuple(
            Choice(layer=p.layer, which=p.which, measured=p.measured, configuration=c, undivided=u)
            for p, c, u in zip(passes, solved.chosen, undivided, strict=True)
        ),
        time=time,
        undivided_time=_total(undivided),
        workspace=max(spaces) if mode is Mode.REUSE else sum(spaces),
        optimal=solved.optimal,
        bound=min(solved.bound, time),
        priced=sum(part.priced for part in passes),
        considered=solved.considered,
        solve_time=perf_counter() - began,
    )


def _reuse(passes: Sequence[PassOptions], batch: int, limit: float) -> _Solved:
    found = _each_distinct(passes, lambda options: solve_reuse(options, batch, limit))
    chosen = [configuration for configuration in found if configuration is not None]
    if len(chosen) < len(passes):
        refuse(passes, batch, limit)
    return _Solved(
        chosen=tuple(chosen),
        optimal=True,
        bound=sum(configuration.time for configuration in chosen),
        considered=sum(len(part.options) for part in passes),
    )


def _division(passes: Sequence[PassOptions], batch: int, limit: float) -> _Solved:
    sets = _each_distinct(passes, lambda options: desirable_configurations(options, batch, limit))
    if not all(sets):  # some pass takes more than all may: what all take at least says by how much
        sets = _each_distinct(passes, lambda options: desirable_configurations(options, batch))
    if not all(sets):
        refuse(passes, batch, limit)
    division = solve_division(sets, limit)
    return _Solved(
        chosen=division.chosen,
        optimal=division.optimal,
        bound=division.bound,
        considered=sum(map(len, sets)),
    )


def _each_distinct(
    passes: Sequence[PassOptions], solve: Callable[[tuple[MicroBatch, ...]], Result]
) -> list[Result]:
    """Solve each pass; passes that share their options share the work."""
    known: dict[int, Result] = {}
    for part in passes:
        if id(part.options) not in known:
            known[id(part.options)] = solve(part.options)
    return [known[id(part.options)] for part in passes]


def refuse(passes: Sequence[PassOptions], batch: int, limit: float) -> NoReturn:
    """Say why some pass has no configuration: its sizes never add up, or the limit excludes them.

    Raises:
        SimdlError, InfeasibleError: always one of them.
    """
    names = [f"{part.layer} {part.which.value}" for part in passes]
    least = _each_distinct(passes, lambda options: desirable_configurations(options, batch)[:1])
    uncovered = [
        f"{name}: no configuration covers a batch of {batch}; found micro-batches of {_sizes(part)}"
        for name, part, found in zip(names, passes, least, strict=True)
        if not found
    ]
    if uncovered:
        raise SimdlError("\n".join(uncovered))
    binding = {
        f"the workspace of {name} [bytes]": found[0].workspace - limit
        for name, found in zip(names, least, strict=True)
        if found[0].workspace > limit
    }
    raise InfeasibleError(f"a workspace of {limit:.0f} bytes per pass", binding)


def _sizes(part: PassOptions) -> str:
    return ", ".join(map(str, sorted({option.size for option in part.options}))) or "no size"


def _undivided(
    solve: Callable[[Sequence[PassOptions], int, float], _Solved],
    passes: Sequence[PassOptions],
    batch: int,
    limit: float,
) -> tuple[Configuration | None, ...]:
    """The same question with the whole batch in one; None for each pass if it has no answer."""
    whole = _each_distinct(passes, lambda options: tuple(part for part in options if part.size == batch))
    try:
        return solve(
            [replace(part, options=options) for part, options in zip(passes, whole, strict=True)],
            batch,
            limit,
        ).chosen
    except SimdlError:
        return (None,) * len(passes)


def _total(configurations: Sequence[Configuration | None]) -> float | None:
    known = [configuration.time for configuration in configurations if configuration is not None]
    return sum(known) if len(known) == len(configurations) else None
