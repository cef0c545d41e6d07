"""The critical path of a timeline: the tasks that follow each other without a pause and end the step.

A task starts when the last task it waits for ends, so walking back from the task that ends last, always to
the predecessor that ended last, reaches step start without a gap: the durations add up to the step time.
"""

from collections.abc import Mapping

from simdl.timeline import Timeline


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


def critical_parts(timeline: Timeline) -> dict[str, float]:
    """[s] by cause along the critical path, largest first; adds up to the step time."""
    causes: dict[str, float] = {}
    for index in critical_tasks(timeline):
        task = timeline.schedule.tasks[index]
        for name, seconds in task.parts or ((task.name, task.duration),):
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
