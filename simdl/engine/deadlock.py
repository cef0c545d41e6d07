"""Deadlock: finds the wait cycle that keeps a program from ending, and says who waits for whom.

Every task that never ran waits for at least one other that never ran, so following one such wait from any of
them must come back to a task already seen: that loop is a wait cycle.
"""

from collections.abc import Iterator, Sequence

from simdl.engine.check import describe_task
from simdl.errors import DeadlockError
from simdl.program.program import Program

_SHOWN = 12


def deadlock(program: Program, blocked: Sequence[bool]) -> DeadlockError:
    """The error that names a wait cycle.

    Args:
        program: what was run.
        blocked: per task, whether it never ran (at least one did not).
    """
    cycle = list(_cycle(_blockers(program, blocked), next(i for i, stuck in enumerate(blocked) if stuck)))
    lines = [f"{describe_task(program, task)} waits for {reason}" for task, reason in cycle[:_SHOWN]]
    if len(cycle) > _SHOWN:
        lines.append(f"... and {len(cycle) - _SHOWN} more tasks in the cycle")
    head = f"deadlock: {sum(blocked)} of {len(blocked)} tasks never ran; wait cycle of {len(cycle)}:"
    return DeadlockError("\n  ".join([head, *lines]))


def _blockers(program: Program, blocked: Sequence[bool]) -> dict[int, tuple[int, str]]:
    """Per blocked task one blocked task that it waits for, and that wait in words."""
    found: dict[int, tuple[int, str]] = {}
    last: dict[int, int] = {}
    for index in range(len(program)):
        waits = [(before, "which it depends on") for before in program.after(index)]
        for stream in program.streams_of(index):
            if stream in last:
                rank, name = program.streams[stream]
                waits.append((last[stream], f"which stands before it on rank {rank} {name}"))
            last[stream] = index
        if blocked[index]:
            before, why = next(wait for wait in waits if blocked[wait[0]])
            found[index] = before, f"{describe_task(program, before)}, {why}"
    return found


def _cycle(blockers: dict[int, tuple[int, str]], task: int) -> Iterator[tuple[int, str]]:
    """The tasks of the cycle reached from ``task``, each with the wait that leads to the next."""
    seen = set()
    while task not in seen:
        seen.add(task)
        task = blockers[task][0]
    first = task
    while True:
        before, reason = blockers[task]
        yield task, reason
        task = before
        if task == first:
            return
