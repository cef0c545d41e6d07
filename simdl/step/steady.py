"""Steady state: the step that is measured of several in a row."""

from dataclasses import replace

from simdl.engine.timeline import Timeline
from simdl.pipelines.steps import filling_steps, steps_in_a_row
from simdl.program.action import Purpose
from simdl.step.costs.step_cost import StepCost


def measured(timeline: Timeline, step: StepCost) -> Timeline:
    """The timeline with the windows of one of several steps, where a schedule needs them.

    A rank's window ends with its last update, and is as long as the slowest rank needs from the last update
    of the step before.
    """
    if step.pipeline.synchronised:
        return timeline
    program = timeline.program
    ends: dict[int, list[float]] = {}
    for index, action in enumerate(program.action):
        if program.actions[action].purpose is Purpose.OPTIMIZER:
            for stream in program.streams_of(index):
                ends.setdefault(program.streams[stream].rank, []).append(timeline.end[index])
    ranks, count = step.strategy.pp, step.microbatches
    updates = 1 if step.pipeline.flushes else count
    last = -1 if step.pipeline.flushes else -1 - updates * filling_steps(ranks, count)
    length = max(found[last] - found[last - updates] for found in ends.values())
    windows = {rank: (found[last] - length, found[last]) for rank, found in ends.items()}
    return replace(timeline, windows=windows, steps=steps_in_a_row(step.pipeline, ranks, count))
