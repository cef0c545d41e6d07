"""The critical path of a timeline: the tasks that follow each other without a pause and end the step.

A task starts when the last task it waits for ends, so walking back from the task that ends last, always to
the predecessor that ended last, reaches step start without a gap: the durations add up to the step time.
"""

from collections.abc import Mapping

import numpy as np

from simdl.engine.timeline import Timeline
from simdl.program.action import Action, Work, scaled
from simdl.program.program import Program

Actions = dict[Action, dict[str, float]]
"""[s] by cause, for every action on the path."""


def critical_tasks(timeline: Timeline) -> list[int]:
    """Tasks of the critical path, in the order of time; of the measured step where there are several.

    Of predecessors that end together, the one with the highest index is taken.
    """
    end, program = timeline.end, timeline.program
    if not len(program):
        return []
    ends = np.frombuffer(end)
    last = max((until for _, until in timeline.windows.values()), default=float(ends.max()))
    begin = last - timeline.step_time
    before, joint = _stream_predecessors(program)
    ended = np.flatnonzero(ends <= last)
    index = int(ended[ends[ended] == ends[ended].max()][-1])
    path = [index]
    while waits := (
        *program.after(index),
        *((before[index],) if before[index] >= 0 else ()),
        *joint.get(index, ()),
    ):
        index = max(waits, key=lambda task: (end[task], task))
        if timeline.windows and end[index] <= begin:
            break
        path.append(index)
    return path[::-1]


def critical_actions(timeline: Timeline) -> Actions:
    """[s] by cause along the critical path, for every action on it."""
    found: Actions = {}
    path = critical_tasks(timeline)
    begin = timeline.end[path[-1]] - timeline.step_time if path else 0.0
    for index in path:
        action = timeline.program.actions[timeline.program.action[index]]
        causes = found.setdefault(action, {})
        since = max(timeline.start[index], begin) if timeline.windows else timeline.start[index]
        for name, seconds in spent(action, timeline.end[index] - since):
            causes[name] = causes.get(name, 0.0) + seconds
    return found


def spent(action: Action, duration: float) -> tuple[tuple[str, float], ...]:
    """[s] by cause of a task that took ``duration`` [s]; work that took longer than alone met contention."""
    alone = action.duration
    if abs(duration - alone) <= 1e-9 * alone:
        return action.parts
    if isinstance(action, Work) and duration > alone:
        return tuple(scaled(action.parts, duration))
    return tuple((cause, seconds * duration / alone) for cause, seconds in action.parts)


def total_parts(actions: Actions) -> dict[str, float]:
    """[s] by cause over all actions, largest first."""
    causes: dict[str, float] = {}
    for parts in actions.values():
        for name, seconds in parts.items():
            causes[name] = causes.get(name, 0.0) + seconds
    return dict(sorted(causes.items(), key=lambda item: -item[1]))


def _stream_predecessors(program: Program) -> tuple[list[int], Mapping[int, tuple[int, ...]]]:
    """Per task the one before it on its first stream, or -1; for a rendezvous those on all its streams."""
    if not program.held:
        return _predecessors(program), {}
    last = [-1] * len(program.streams)
    found = [-1] * len(program)
    joint: dict[int, tuple[int, ...]] = {}
    for index, stream in enumerate(program.stream):
        found[index] = last[stream]
        last[stream] = index
        for other in program.held.get(index, ()):
            if other != stream:
                joint[index] = (*joint.get(index, ()), *((last[other],) if last[other] >= 0 else ()))
                last[other] = index
    return found, joint


def _predecessors(program: Program) -> list[int]:
    """Per task the one before it on its stream, or -1, where every task has one stream."""
    streams = np.frombuffer(program.stream, dtype=f"i{program.stream.itemsize}")
    order = np.argsort(streams, kind="stable")
    found = np.full(len(program), -1)
    found[order[1:]] = np.where(streams[order[1:]] == streams[order[:-1]], order[:-1], -1)
    return found.tolist()
