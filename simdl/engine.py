"""The engine: runs a schedule as discrete events in SimPy and returns the timeline.

A task starts when it stands at the head of all its streams and every task in its ``after`` has ended.
Because the order of every stream is fixed, "at the head" means "the task before it on that stream has
ended", so both conditions count down one number per task; the event that brings it to zero starts the task.
Each task costs one SimPy timeout.

The engine knows tasks and streams only, never what they stand for. Equal times are served in the order in
which the tasks were started, so two runs of one schedule give the same timeline.
"""

from typing import cast

from simpy import Environment, Event, Timeout

from simdl.deadlock import deadlock
from simdl.precedence import precedence
from simdl.task import Schedule
from simdl.timeline import Timeline


def run(schedule: Schedule) -> Timeline:
    """Run every task of a schedule.

    Args:
        schedule: tasks of all ranks; ``after`` may point forward in the list.

    Returns:
        Start and end of every task [s].

    Raises:
        DeadlockError: tasks wait for each other; the message names the wait cycle.
        SimdlError: a task has a bad index, no stream, a stream twice, or a duration that is no time.

    Example:
        >>> from simdl.task import Schedule, Stream, Task
        >>> compute = Stream(0, "compute")
        >>> run(Schedule(streams=(compute,), tasks=(Task("a", (0,), 1.0), Task("b", (0,), 2.0)))).end
        (1.0, 3.0)
    """
    waiting, followers = precedence(schedule)
    durations = [task.duration for task in schedule.tasks]
    start = [0.0] * len(durations)
    end = [0.0] * len(durations)
    environment = Environment()

    def begin(index: int) -> None:
        start[index] = environment.now
        Timeout(environment, durations[index], index).callbacks.append(finish)

    def finish(event: Event) -> None:
        index = cast("int", event.value)
        end[index] = environment.now
        for follower in followers[index]:
            waiting[follower] -= 1
            if not waiting[follower]:
                begin(follower)

    for index in [index for index, count in enumerate(waiting) if not count]:
        begin(index)
    environment.run()
    if any(waiting):
        raise deadlock(schedule, [count > 0 for count in waiting])
    return Timeline(schedule=schedule, start=tuple(start), end=tuple(end))
