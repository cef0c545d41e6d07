"""Precedence of tasks: who waits for whom, by dependency and by the order of a stream."""

from collections.abc import Iterator
from math import inf

from simdl.errors import SimdlError
from simdl.task import Schedule, Task


def precedence(schedule: Schedule) -> tuple[list[int], list[list[int]]]:
    """Per task the number of tasks it waits for, and the tasks that wait for it.

    Raises:
        SimdlError: a task has a bad index, no stream, a stream twice, or a duration that is no time.
    """
    waiting: list[int] = []
    followers: list[list[int]] = [[] for _ in schedule.tasks]
    last = [-1] * len(schedule.streams)
    for index, (_, streams, duration, after, *_) in enumerate(schedule.tasks):
        if not 0.0 <= duration < inf or not streams or (len(streams) > 1 and len({*streams}) < len(streams)):
            raise _fault(schedule, index)
        count = len(after)
        try:
            for before in after:
                followers[before].append(index)
            for stream in streams:
                before = last[stream]
                last[stream] = index
                if before >= 0:
                    followers[before].append(index)
                    count += 1
        except IndexError:
            raise _fault(schedule, index) from None
        if min(streams) < 0 or (after and min(after) < 0):
            raise _fault(schedule, index)
        waiting.append(count)
    return waiting, followers


def describe_task(schedule: Schedule, index: int) -> str:
    """A task by name, number, microbatch, stage and the first of its streams, for messages."""
    task = schedule.tasks[index]
    details = [f"task {index}"]
    if task.microbatch >= 0:
        details.append(f"microbatch {task.microbatch}")
    if task.stage >= 0:
        details.append(f"stage {task.stage}")
    details += [f"rank {schedule.streams[i].rank} {schedule.streams[i].name}" for i in task.streams]
    return f"{task.name!r} ({', '.join(details)})"


def _fault(schedule: Schedule, index: int) -> SimdlError:
    """The error for a task that cannot stand in a schedule."""
    task = schedule.tasks[index]
    faults = "; ".join(_faults(task, len(schedule.streams), len(schedule.tasks)))
    return SimdlError(
        f"task {index} {task.name!r} (microbatch {task.microbatch}, stage {task.stage}): {faults}"
    )


def _faults(task: Task, streams: int, tasks: int) -> Iterator[str]:
    if not 0.0 <= task.duration < inf:
        yield f"duration: found {task.duration}; expected finite seconds, at least 0"
    if not task.streams or len(set(task.streams)) < len(task.streams):
        yield f"streams: found {task.streams}; expected at least one, each once"
    if any(not 0 <= stream < streams for stream in task.streams):
        yield f"streams: found {task.streams}; expected indices 0 to {streams - 1}"
    if any(not 0 <= before < tasks for before in task.after):
        yield f"after: found {task.after}; expected task indices 0 to {tasks - 1}"
