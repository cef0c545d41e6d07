"""Folding: a step of many microbatches timed by running one of few.

Between warm-up and drain a pipeline repeats rounds (:mod:`simdl.pipelines.rounds`). Once it is in a steady
state every round takes as long as the one before: then the step with more rounds is the step that was run
with the last of them repeated, task by task.

That state is not assumed but found in the run. Let all tasks of the rounds first to last of all ranks start
and end T after those of the round before, d be the longest of them, and A the time when all tasks before
round first + 1 have ended. Let no task of round last have started by A + d, and none behind it by A + T + d.
Then tasks that run at A are T later those that run at A + T, and the other way round; until they end the same
runs beside them, so they are as far done; and the same stands before them on their streams. What runs beside
what, and how fast, follows from these alone (design decision 12), so from A + T on everything happens as from
A on, as often as the order repeats itself. Orders that repeat nothing and runs that do not come to such a
state are run whole.
"""

from array import array
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from math import inf

import numpy as np
from numpy.typing import NDArray

from simdl.engine.longest_path import longest_path
from simdl.engine.precedence import precedence
from simdl.engine.run import run
from simdl.engine.timeline import Timeline
from simdl.pipelines.lags import lags
from simdl.pipelines.outline import outline
from simdl.pipelines.rounds import Rounds, rounds
from simdl.program.program import Program
from simdl.program.repeated import Repetition, Stretch, copies, repeated, repeats
from simdl.step.costs.cycles import slowest_cycle, stage_seconds
from simdl.step.costs.stage_items import is_hosted
from simdl.step.costs.step_cost import StepCost
from simdl.step.lowering.step_lowering import lower, lowered
from simdl.step.steady import measured

TRIED = (1, 3)
"""Lengths of short runs, over the shortest."""
LEAST = 4_000
"""Tasks of a step, below which it is run whole."""
SPAN = 2
"""Rounds like the one before, at least."""
EQUAL = 1e-12
"""Of the run, by which rounds may differ, as sums of many seconds do."""
ROUNDING = 1e-9
"""Of a step, to which a folded one is the whole one."""
Engine = Callable[[Program], Timeline]


class StepRun:
    """One step, run whole or folded.

    Attributes:
        step_time: [s].
    """

    def __init__(self, short: Timeline, found: Repetition | None = None, period: float = 0.0) -> None:
        self._short, self._found, self._period = short, found, period
        self.step_time = short.step_time + (found.count * period if found else 0.0)

    @cached_property
    def timeline(self) -> Timeline:
        """All its tasks."""
        if self._found is None:
            return self._short
        program = repeated(self._short.program, self._found)
        task, number = copies(self._found)
        end = np.frombuffer(self._short.end)[task] + number * self._period
        links = precedence(program)
        start = np.zeros(len(program))  # a task starts when the last that it waits for ends, to the last bit
        np.maximum.at(
            start, np.frombuffer(links.followers, dtype=np.intc), np.repeat(end, np.diff(links.starts))
        )
        return Timeline(program=program, start=array("d", start.tobytes()), end=array("d", end.tobytes()))


def run_step(step: StepCost, engine: Engine = run) -> StepRun:
    """Time a step.

    Args:
        step: what it costs.
        engine: that runs programs.
    """
    found = run_faster_step(step, inf, engine)
    assert found is not None  # noqa: S101 - no step takes for ever
    return found


def run_faster_step(step: StepCost, limit: float, engine: Engine = run) -> StepRun | None:
    """Time a step, or say None without running it where its longest path shows that it is not faster.

    Args:
        step: what it costs.
        limit: [s] that it has to be faster than.
        engine: that runs programs.
    """
    limit = limit if step.pipeline.synchronised and step.pipeline.flushes else inf
    pace = _pace(step)
    for times in TRIED:
        found = _rounds(step, times, pace)
        if found is None:
            break
        program, places = lowered(replace(step, microbatches=found.microbatches))
        if len(program) * step.microbatches < LEAST * found.microbatches:
            break
        if limit < inf and _reaches(_folded(program, places, found, _alone), limit):
            return None
        folded = _folded(program, places, found, engine)
        if folded is not None:
            return folded
    program = lower(step)
    if limit < inf and _reaches(StepRun(measured(_alone(program), step)), limit):
        return None
    return StepRun(measured(engine(program), step))


def _reaches(least: StepRun | None, limit: float) -> bool:
    """Whether a step that takes at least so long is surely not faster."""
    return least is not None and least.step_time * (1 - ROUNDING) >= limit


def passes_run(step: StepCost) -> int:
    """Passes that are run for a step at least."""
    found, count = _rounds(step, 1, _pace(step)), step.microbatches
    passes = step.strategy.passes(step.workload.global_batch)
    return passes if found is None else passes * found.microbatches // count


def alone_time(step: StepCost) -> float:
    """[s] of a step in which nothing shares a device or a link with anything else, to 1e-9."""
    return run_step(step, _alone).step_time


def _alone(program: Program) -> Timeline:
    """The timeline of a longest path."""
    ends = longest_path(program)
    durations = np.array([action.duration for action in program.actions])
    starts = np.frombuffer(ends) - durations[np.frombuffer(program.action, dtype=np.intc)]
    return Timeline(program=program, start=array("d", starts.tobytes()), end=ends)


def _pace(step: StepCost) -> int:
    """Microbatches after which a step comes back to the same state: those of its slowest round trip."""
    strategy = step.strategy
    alike = len({id(stage) for stage in step.stages[1:-1]}) <= 1
    apart = (
        None if alike else lags(strategy.schedule, strategy.pp, step.microbatches, strategy.virtual_stages)
    )
    if apart is None:
        return 1
    found = outline(strategy.schedule, strategy.pp, strategy.virtual_stages)
    forward, back, rest = (np.array(row) for row in stage_seconds(step, found))
    busiest = max(
        sum(float(each[stage]) for each in (forward, back, rest) for stage in np.flatnonzero(places == rank))
        for places in [np.array(found.place)]
        for rank in range(strategy.pp)
    )
    return slowest_cycle(apart, forward, back, np.array(step.transfer), busiest)


def _rounds(step: StepCost, times: int, pace: int) -> Rounds | None:
    """The rounds of its order, where all tasks of a step are those of passes, as many for each microbatch."""
    one = step.pipeline.flushes and step.pipeline.synchronised and step.workload.inputs is None
    if not one or any(
        is_hosted(stage) or any(block.walks for block in stage.blocks) for stage in step.stages
    ):
        return None
    strategy = step.strategy
    return rounds(step.pipeline, strategy.pp, step.microbatches, strategy.virtual_stages, times, pace)


def _folded(program: Program, places: "list[array[int]]", found: Rounds, engine: Engine) -> StepRun | None:
    """A step by its short program; None where that does not come to a steady state."""
    stretches = tuple(
        Stretch(
            begin=own[0],
            end=following[0] if following else len(program),
            first=own[zone.first],
            stop=own[zone.first + zone.rounds * zone.length],
            length=own[zone.first + zone.length] - own[zone.first],
        )
        for (own, following), zone in zip(pairwise([*places, ()]), found.zones, strict=True)
    )
    if not all(
        _even(own, zone.first, zone.length, zone.rounds)
        for own, zone in zip(places, found.zones, strict=True)
    ):
        return None
    timeline = engine(program)
    steady = _steady(timeline, stretches)
    if steady is None:
        return None
    before, period = steady
    repetition = Repetition(
        stretches=stretches, before=before, count=found.inserted, microbatches=found.of_round
    )
    return StepRun(timeline, repetition, period) if repeats(program, repetition) else None


def _even(places: "array[int]", first: int, length: int, count: int) -> bool:
    """Whether all rounds have as many tasks."""
    edges = np.frombuffer(places, dtype=np.intc)[first : first + count * length + 1 : length]
    return len(set(np.diff(edges).tolist())) == 1


def _steady(timeline: Timeline, stretches: tuple[Stretch, ...]) -> tuple[int, float] | None:
    """A round amid a steady state, and its period [s]."""
    count = min(each.rounds for each in stretches)
    start, end = np.frombuffer(timeline.start), np.frombuffer(timeline.end)
    starts, ends = (
        [each[own.first : own.place(count)].reshape(count, own.length) for own in stretches]
        for each in (start, end)
    )
    if count <= SPAN:
        return None
    steps = starts[0][1:, 0] - starts[0][:-1, 0]
    allowed = EQUAL * timeline.step_time
    alike = np.ones(count - 1, dtype=bool)
    for each in (*starts, *ends):
        alike &= (np.abs(np.diff(each, axis=0) - steps[:, None]) <= allowed).all(axis=1)
    first, stop = _longest(alike, steps, allowed)
    if stop - first < SPAN:
        return None
    period = float(starts[0][stop, 0] - starts[0][first, 0]) / (stop - first)
    rows = slice(first, stop + 1)
    longest = max(float((late - early)[rows].max()) for early, late in zip(starts, ends, strict=True))
    ended = max(float(end[own.begin : own.place(first + 1)].max()) for own in stretches)
    last, behind = (
        min(float(start[own.place(stop + more) : own.end].min()) for own in stretches) for more in (0, 1)
    )
    if last < ended + longest or behind < ended + period + longest:
        return None
    return (first + stop + 1) // 2, period


def _longest(alike: NDArray[np.bool_], steps: NDArray[np.float64], allowed: float) -> tuple[int, int]:
    """The longest row of rounds that are alike: the first, and the last, which is none of them any more."""
    best, first = (0, 0), 0
    for place in range(len(alike) + 1):
        ends = place == len(alike) or not alike[place]
        if ends or abs(steps[place] - steps[first]) > allowed:
            best = max(best, (first, place), key=lambda part: part[1] - part[0])
            first = place + 1 if ends else place
    return best
