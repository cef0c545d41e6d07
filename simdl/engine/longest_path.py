"""Longest path: the ends of all tasks of a program when nothing is shared, without events."""

from array import array
from collections.abc import Sequence

from simdl.engine.deadlock import deadlock
from simdl.engine.durations import task_durations
from simdl.engine.precedence import Precedence, precedence
from simdl.program.program import Program


def longest_path(
    program: Program, durations: Sequence[float] | None = None, links: Precedence | None = None
) -> "array[float]":
    """Per task its end [s] when every task lasts as long as it takes alone: no end of a run is earlier.

    Args:
        program: without faults (:func:`simdl.engine.check.check`).
        durations: per action [s] at full speed; without, the actions' own.
        links: the precedence of the program, to save its building.

    Raises:
        DeadlockError: tasks wait for each other; the message names the wait cycle.
    """
    links = links or precedence(program)
    waits, starts, followers = links.waits.tolist(), links.starts, links.followers
    seconds = task_durations(program, durations)
    ends = array("d", bytes(8 * len(program)))
    ready = [index for index, count in enumerate(waits) if not count]
    while ready:
        index = ready.pop()
        ends[index] = end = ends[index] + seconds[index]
        for follower in followers[starts[index] : starts[index + 1]]:
            if end > ends[follower]:  # noqa: PLR1730 - max() takes twice as long
                ends[follower] = end
            waits[follower] -= 1
            if not waits[follower]:
                ready.append(follower)
    if any(waits):
        raise deadlock(program, [count > 0 for count in waits])
    return ends
