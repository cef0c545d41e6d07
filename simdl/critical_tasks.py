"""The critical path of a timeline: the tasks that follow each other without a pause and end the step.

A task starts when the last task it waits for ends, so walking back from the task that ends last, always to
the predecessor that ended last, reaches step start without a gap: the durations add up to the step time.
"""

from collections.abc import Mapping

from simdl.timeline import Timeline

Passes = dict[tuple[str, int], dict[str, float]]
"""[s] by cause, for every name of a task and virtual stage."""


def critical_tasks(timeline: Timeline) -> list[int]:
    """Indices into ``timeline.schedule.tasks`` of the critical path, in the order of time.

    Of predecessors that end together, the one with the highest index is taken.
    """
    end = timeline.end
    if not end:
        return []
    tasks = timeline.schedule.tasks
    before = _stream_predecessors(timeline)
    index = max(range(len(end)), key=lambda task: (end[task], task))
    path = [index]
    while waits := (*tasks[index].after, *before.get(index, ())):
        index = max(waits, key=lambda task: (end[task], task))
        path.append(index)
    return path[::-1]


def critical_passes(timeline: Timeline) -> Passes:
    """[s] by cause along the critical path, for every name of a task and virtual stage on it."""
    found: Passes = {}
    for index in critical_tasks(timeline):
        task = timeline.schedule.tasks[index]
        causes = found.setdefault((task.name, task.stage), {})
        for name, seconds in task.parts or ((task.name, task.duration),):
            causes[name] = causes.get(name, 0.0) + seconds
    return found


def total_parts(passes: Passes) -> dict[str, float]:
    """[s] by cause over all passes, largest first."""
    causes: dict[str, float] = {}
    for parts in passes.values():
        for name, seconds in parts.items():
            causes[name] = causes.get(name, 0.0) + seconds
    return dict(sorted(causes.items(), key=lambda item: -item[1]))


def _stream_predecessors(timeline: Timeline) -> Mapping[int, tuple[int, ...]]:
    """Per task the tasks that its streams run before it."""
    last: dict[int, int] = {}
    found: dict[int, tuple[int, ...]] = {}
    for index, task in enumerate(timeline.schedule.tasks):
        waits = tuple(last[stream] for stream in task.streams if stream in last)
        if waits:
            found[index] = waits
        last.update(dict.fromkeys(task.streams, index))
    return found
