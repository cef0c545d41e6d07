"""Deadlock: finds the wait cycle that keeps a program from ending, and says who waits for whom.

Every task that never ran waits for at least one other that never ran, so following one such wait from any of
them must come back to a task already seen: that loop is a wait cycle.
"""

from collections.abc import Iterator, Sequence

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
    lines = [
        f"{describe_task(program, task)} waits for {describe_task(program, before)}, {why}"
        for task, before, why in cycle[:_SHOWN]
    ]
    if len(cycle) > _SHOWN:
        lines.append(f"... and {len(cycle) - _SHOWN} more tasks in the cycle")
    head = f"deadlock: {sum(blocked)} of {len(blocked)} tasks never ran; wait cycle of {len(cycle)}:"
    return DeadlockError("\n  ".join([head, *lines]))


def describe_task(program: Program, index: int) -> str:
    """A task by name, number, microbatch, stage and its streams, for messages."""
    task = program.tasks[index]
    details = [f"task {index}"]
    if task.microbatch >= 0:
        details.append(f"microbatch {task.microbatch}")
    if task.stage >= 0:
        details.append(f"stage {task.stage}")
    details += [_place(program, stream) for stream in task.streams]
    return f"{task.name!r} ({', '.join(details)})"


def _place(program: Program, stream: int) -> str:
    rank, lane = program.streams[stream]
    return f"rank {rank} {lane}"


def _blockers(program: Program, blocked: Sequence[bool]) -> dict[int, tuple[int, str]]:
    """Per blocked task one blocked task that it waits for, and why."""
    found: dict[int, tuple[int, str]] = {}
    last: dict[int, int] = {}
    for index, stuck in enumerate(blocked):
        streams = program.streams_of(index)
        if stuck:
            waits = [(before, "which it depends on") for before in program.after(index)]
            waits += [
                (last[stream], f"which stands before it on {_place(program, stream)}")
                for stream in streams
                if stream in last
            ]
            found[index] = next(wait for wait in waits if blocked[wait[0]])
        last.update(dict.fromkeys(streams, index))
    return found


def _cycle(blockers: dict[int, tuple[int, str]], task: int) -> Iterator[tuple[int, int, str]]:
    """The tasks of the cycle reached from ``task``, each with the next one and why it waits for it."""
    seen = set()
    while task not in seen:
        seen.add(task)
        task = blockers[task][0]
    first = task
    while True:
        before, why = blockers[task]
        yield task, before, why
        task = before
        if task == first:
            return
