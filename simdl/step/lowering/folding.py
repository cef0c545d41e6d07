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
A on, as often as the order repeats itself. Where ranks go from step to step without waiting for one another,
each of the steps in a row has to come to such a state, with a T of its own. Orders that repeat nothing and
runs that do not come to such a state are run whole.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import pairwise
from math import inf, lcm

import numpy as np
from numpy.typing import NDArray

from simdl.engine.longest_path import longest_path
from simdl.engine.precedence import precedence
from simdl.engine.run import run
from simdl.engine.timeline import Timeline
from simdl.pipelines.lags import lags
from simdl.pipelines.outline import outline
from simdl.pipelines.rounds import Rounds, Zone, brief_rounds, rounds
from simdl.pipelines.steps import steps_in_a_row
from simdl.program.builder import INDEX
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

    def __init__(
        self,
        step: StepCost,
        short: Timeline,
        found: Repetition | None = None,
        periods: Sequence[float] = (0.0,),
    ) -> None:
        self._step, self._short, self._found, self._periods = step, short, found, np.array(periods)
        self.step_time = short.step_time + (found.count * periods[-1] / _steps(step) if found else 0.0)

    @cached_property
    def timeline(self) -> Timeline:
        """All its tasks."""
        if self._found is None:
            return self._short
        program = repeated(self._short.program, self._found)
        task, number = copies(self._found)
        lengths = [each.end - each.begin + self._found.count * each.length for each in self._found.stretches]
        step = np.repeat([each.step for each in self._found.stretches], lengths)
        earlier = self._found.count * (np.cumsum(self._periods) - self._periods)
        end = np.frombuffer(self._short.end)[task] + earlier[step] + number * self._periods[step]
        links = precedence(program)
        start = np.zeros(len(program))  # a task starts when the last that it waits for ends, to the last bit
        np.maximum.at(
            start, np.frombuffer(links.followers, dtype=np.intc), np.repeat(end, np.diff(links.starts))
        )
        whole = Timeline(program=program, start=array("d", start.tobytes()), end=array("d", end.tobytes()))
        return measured(whole, self._step)


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
        program, places = _lowered(step, found)
        short = partial(_folded, step, program, _stretches(step, program, places, found), found)
        if len(program) * step.microbatches * _steps(step) < LEAST * found.microbatches:
            break
        if limit < inf and _reaches(short(_alone), limit):
            return None
        folded = short(engine)
        if folded is not None:
            return folded
    program = lower(step)
    if limit < inf and _reaches(StepRun(step, _alone(program)), limit):
        return None
    return StepRun(step, measured(engine(program), step))


def _reaches(least: StepRun | None, limit: float) -> bool:
    """Whether a step that takes at least so long is surely not faster."""
    return least is not None and least.step_time * (1 - ROUNDING) >= limit


def passes_run(step: StepCost) -> int:
    """Passes that are run for a step at least."""
    found, count = _rounds(step, 1, _pace(step)), step.microbatches * _steps(step)
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


def _steps(step: StepCost) -> int:
    """Steps that are one order, because they run into one another."""
    return 1 if step.pipeline.flushes else steps_in_a_row(step.pipeline, step.strategy.pp, step.microbatches)


def _short(step: StepCost, found: Rounds) -> StepCost:
    """The step with the microbatches of the short order."""
    return replace(step, microbatches=found.microbatches // _steps(step))


def _rounds(step: StepCost, times: int, pace: int) -> Rounds | None:
    """The rounds of its order, where all tasks of a step are those of passes, as many for each microbatch.

    Of steps that run into one another each has as many rounds.
    """
    if step.workload.inputs is not None or any(
        is_hosted(stage) or any(block.walks for block in stage.blocks) for stage in step.stages
    ):
        return None
    strategy, steps = step.strategy, _steps(step)
    sizes = strategy.pp, steps * step.microbatches, strategy.virtual_stages
    if steps == 1:
        return rounds(step.pipeline, *sizes, times, pace)
    found = rounds(step.pipeline, *sizes, 2 * times, lcm(steps, pace))  # no step is shorter than its way in
    return None if found is None or _steps(_short(step, found)) != steps else found


def _lowered(step: StepCost, found: Rounds) -> "tuple[Program, list[array[int]]]":
    """The program of the short order, from that of a briefer one where there is one."""
    strategy, short = step.strategy, _short(step, found)
    sizes = strategy.pp, step.microbatches, strategy.virtual_stages
    brief = brief_rounds(step.pipeline, *sizes) if _steps(step) == 1 else None
    if brief is None or brief.microbatches >= found.microbatches:
        return lowered(short)
    brief = replace(brief, inserted=(found.microbatches - brief.microbatches) // brief.of_round)
    program, places = lowered(_short(step, brief))
    stretches = _stretches(step, program, places, brief)
    repetition = _repetition(tuple(replace(each, before=each.rounds // 2) for each in stretches), brief)
    if len(stretches) != len(places) or not repeats(program, repetition):  # of one step
        return lowered(short)
    return repeated(program, repetition), list(_longer(places, repetition))


def _longer(places: "list[array[int]]", found: Repetition) -> "Iterator[array[int]]":
    """Per rank the first tasks of all entries, and the task behind them, with rounds inserted."""
    moved = 0
    for own, each in zip(places, found.stretches, strict=True):
        place, stop = own.index(each.insertion), own.index(each.insertion + each.length)
        tasks, later = np.array(own) + moved, found.count * each.length
        inserted = tasks[place:stop] + np.arange(found.count)[:, None] * each.length
        long = np.concatenate([tasks[:place], inserted.ravel(), tasks[place:] + later])
        yield array(INDEX, long.astype(np.intc).tobytes())
        moved += later


def _repetition(stretches: tuple[Stretch, ...], found: Rounds) -> Repetition:
    """Its rounds to be inserted."""
    return Repetition(
        stretches=stretches,
        count=found.inserted,
        microbatches=found.microbatches,
        labels=tuple((each.first, each.moved, each.of_round) for each in found.labels),
    )


def _stretches(
    step: StepCost, program: Program, places: "list[array[int]]", found: Rounds
) -> tuple[Stretch, ...]:
    """The tasks of every rank in every step, with rounds among them; () where these are not as many each."""
    steps = steps_in_a_row(step.pipeline, step.strategy.pp, found.microbatches) // _steps(step)
    parts = [
        (number, own[number * len(own) // steps : (number + 1) * len(own) // steps], zone)
        for own, zone in zip(places, found.zones, strict=True)
        for number in range(steps)
    ]
    alike = [_even(own, zone) for _, own, zone in parts]
    if not all(alike):
        return ()
    ends = [*(own[0] for _, own, _ in parts[1:]), len(program)]
    return tuple(
        Stretch(
            begin=own[0],
            end=end,
            first=edges[0],
            stop=edges[-1],
            length=edges[1] - edges[0],
            step=number,
        )
        for (number, own, _), edges, end in zip(parts, alike, ends, strict=True)
    )


def _folded(
    step: StepCost, program: Program, stretches: tuple[Stretch, ...], found: Rounds, engine: Engine
) -> StepRun | None:
    """A step by its short program; None where that does not come to a steady state."""
    if not stretches:
        return None
    timeline = engine(program)
    steps = max(each.step for each in stretches) + 1
    steady = [_steady(timeline, stretches[number::steps], stretches) for number in range(steps)]
    known = [each for each in steady if each is not None]
    if len(known) < steps:
        return None
    placed = tuple(replace(each, before=known[each.step][0]) for each in stretches)
    repetition = _repetition(placed, found)
    if not repeats(program, repetition):
        return None
    short = measured(timeline, _short(step, found))
    return StepRun(step, short, repetition, [period for _, period in known])


def _even(places: "array[int]", zone: Zone) -> list[int]:
    """First tasks of rounds that have as many tasks each, and the task behind them; [] where these are few.

    A first round may be another one, where a way in that is longer than a round lies before it.
    """
    edges = [*places[zone.first : zone.first + zone.rounds * zone.length + 1 : zone.length]]
    for found in (edges, edges[1:]):
        if len(found) > SPAN and len({b - a for a, b in pairwise(found)}) == 1:
            return found
    return []


def _steady(
    timeline: Timeline, stretches: tuple[Stretch, ...], every: tuple[Stretch, ...]
) -> tuple[int, float] | None:
    """A round amid a steady state of one step, and its period [s].

    Args:
        timeline: of the short program.
        stretches: of the step, per rank.
        every: of all steps.
    """
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
    ranks = len(every) // len(stretches)
    whole = [(every[n * ranks].begin, every[(n + 1) * ranks - 1].end) for n in range(len(stretches))]
    edges = list(zip(stretches, whole, strict=True))
    ended = max(float(end[begin : own.place(first + 1)].max()) for own, (begin, _) in edges)
    last, behind = (
        min(float(start[own.place(stop + more) : stopped].min()) for own, (_, stopped) in edges)
        for more in (0, 1)
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
