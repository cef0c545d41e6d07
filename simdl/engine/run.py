"""The engine: runs a program as discrete events in SimPy and returns the timeline.

A task starts when it stands at the head of all its streams and every task that it waits for has ended.
Because the order of every stream is fixed, "at the head" means "the task before it on that stream has ended",
so both conditions count down one number per task; the event that brings it to zero starts the task. A task
that cannot meet another costs one SimPy timeout; those that can have a rate (:mod:`simdl.engine.rates`).

The engine knows tasks, streams and channels only, never what they stand for. Equal times are served in the
order in which the tasks were started, so two runs of one program give the same timeline.
"""

from array import array
from typing import cast

from simpy import Environment, Event, Timeout

from simdl.engine.check import check
from simdl.engine.deadlock import deadlock
from simdl.engine.precedence import precedence
from simdl.engine.rates import Contest, Rates
from simdl.engine.timeline import Timeline
from simdl.program.program import Program


def run(program: Program) -> Timeline:
    """Run every task of a program.

    Returns:
        Start and end of every task [s].

    Raises:
        DeadlockError: tasks wait for each other; the message names the wait cycle.
        SimdlError: a class without ranks, a bad index, or a number that none can be.
    """
    check(program)
    links = precedence(program)
    waiting, starts, followers = links.waiting, links.starts, links.followers
    environment = Environment()
    start = array("d", bytes(8 * len(program)))
    end = array("d", bytes(8 * len(program)))
    actions = program.action
    durations = [action.duration for action in program.actions]
    contest = Contest(program)
    watched = contest.watched

    def begin(index: int) -> None:
        start[index] = environment.now
        action = actions[index]
        if watched[action]:
            rates.begin(index)
        else:
            Timeout(environment, durations[action], index).callbacks.append(finish)

    def finish(event: Event) -> None:
        ended(cast("int", event.value))

    def ended(index: int) -> None:
        end[index] = environment.now
        for place in range(starts[index], starts[index + 1]):
            follower = followers[place]
            waiting[follower] -= 1
            if not waiting[follower]:
                begin(follower)

    rates = Rates(program, environment, contest, ended)
    for index in [index for index, count in enumerate(waiting) if not count]:
        begin(index)
    environment.run()
    if any(waiting):
        raise deadlock(program, [count > 0 for count in waiting])
    return Timeline(program=program, start=start, end=end)
