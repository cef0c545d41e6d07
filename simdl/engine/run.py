"""Run: the event loop.

A task starts when it stands at the head of all its streams and every task in its ``after`` has ended.
Because the order of every stream is fixed, "at the head" means "the task before it on that stream has
ended", so both conditions count down one number per task; the event that brings it to zero starts the task.
A task that can share nothing costs one SimPy timeout.

Of a long program the part before anything meets is the longest path (:mod:`simdl.engine.calm`).

Equal times are served in the order in which the events were set, so two runs of one program give the same
timeline.
"""

from typing import cast

from simpy import Environment, Event, Timeout

from simdl.engine.calm import calm
from simdl.engine.check import check
from simdl.engine.deadlock import deadlock
from simdl.engine.durations import task_durations
from simdl.engine.precedence import precedence
from simdl.engine.shared import find_shared
from simdl.engine.sharing import Sharing
from simdl.engine.timeline import Timeline
from simdl.program.program import Program


def run(program: Program) -> Timeline:
    """Run every task of a program.

    Returns:
        Start and end of every task [s].

    Raises:
        DeadlockError: tasks wait for each other; the message names the wait cycle.
        SimdlError: a class, channel, action or task that cannot be run, with what was found and expected.
    """
    check(program)
    links = precedence(program)
    durations, shared = task_durations(program), find_shared(program)
    shares = shared.tasks
    before = calm(program, links, shared)
    start, end, waits = before.start, before.end, before.waits
    starts, followers = links.starts, links.followers
    environment = Environment(before.now)

    def begin(index: int, now: float) -> None:
        start[index] = now
        if shares[index]:
            sharing.start(index, durations[index], now)
        else:
            delay = durations[index] if now == environment.now else end[index] - environment.now
            Timeout(environment, delay, index).callbacks.append(finish)

    def end_task(index: int) -> None:
        end[index] = now = environment.now
        for place in range(starts[index], starts[index + 1]):
            follower = followers[place]
            waits[follower] -= 1
            if not waits[follower]:
                begin(follower, now)

    def finish_alone(event: Event) -> None:
        end_task(cast("int", event.value))

    def finish_beside(event: Event) -> None:
        end_task(cast("int", event.value))
        sharing.settle()

    finish = finish_beside if any(shares) else finish_alone
    sharing = Sharing(program, shared, environment, end_task)
    for index in before.begun:
        begin(index, start[index])
    sharing.settle()
    environment.run()
    if any(waits):
        raise deadlock(program, [count > 0 for count in waits])
    return Timeline(program=program, start=start, end=end)
