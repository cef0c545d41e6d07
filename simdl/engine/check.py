"""What a program must be before it runs: every index inside, every number one that can be."""

from collections.abc import Iterator
from math import inf

import numpy as np

from simdl.errors import SimdlError
from simdl.program.action import Action, Transfer
from simdl.program.program import Program

SHOWN = 5  # faults that a message names


def check(program: Program) -> None:
    """Refuse a program that cannot run.

    Raises:
        SimdlError: names each class, action or task, what was found and what is expected.
    """
    faults = [*_class_faults(program), *_channel_faults(program), *_action_faults(program)]
    faults += [*_column_faults(program)] or [*_task_faults(program), *_rendezvous_faults(program)]
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise SimdlError(f"program: {'; '.join(faults[:SHOWN])}{more}")


def describe_task(program: Program, index: int) -> str:
    """A task by purpose, number, microbatch, stage and streams, for messages."""
    task = program.tasks[index]
    details = [f"task {index}"]
    if task.microbatch >= 0:
        details.append(f"microbatch {task.microbatch}")
    if task.stage >= 0:
        details.append(f"stage {task.stage}")
    details += [f"rank {program.streams[i].rank} {program.streams[i].name}" for i in task.streams]
    return f"{task.name!r} ({', '.join(details)})"


def _class_faults(program: Program) -> Iterator[str]:
    for number, each in enumerate(program.classes):
        if each.count < 1:
            yield f"class {number} (stage {each.stage}): count: found {each.count}; expected at least 1 rank"
        if not 0 < each.speed < inf:
            yield f"class {number} (stage {each.stage}): speed: found {each.speed}; expected a number above 0"
    for number, stream in enumerate(program.streams):
        if not 0 <= stream.rank < len(program.classes):
            yield (
                f"stream {number} ({stream.name}): rank: found {stream.rank}; expected 0 to "
                f"{len(program.classes) - 1}"
            )


def _channel_faults(program: Program) -> Iterator[str]:
    for number, channel in enumerate(program.channels):
        if not 0 < channel.bandwidth < inf:
            yield (
                f"channel {number} ({channel.name}): bandwidth: found {channel.bandwidth}; expected finite "
                "bytes/s above 0"
            )


def _action_faults(program: Program) -> Iterator[str]:
    for number, action in enumerate(program.actions):
        for fault in _faults(action, len(program.channels)):
            yield f"action {number} {str(action.purpose)!r} (stage {action.stage}): {fault}"


def _faults(action: Action, channels: int) -> Iterator[str]:
    if not 0.0 <= action.duration < inf:
        yield f"duration: found {action.duration}; expected finite seconds, at least 0"
    name, share = ("footprint", action.footprint) if isinstance(action, Transfer) else ("busy", action.busy)
    if not 0.0 <= share <= 1.0:
        yield f"{name}: found {share}; expected a fraction, 0 to 1"
    if name == "busy" and action.loads and not share:
        yield "busy: found 0 with loads; expected the share of its seconds in which they last"
    numbers = [load.channel for load in action.loads]
    if len({*numbers}) < len(numbers):
        yield f"channels: found {numbers}; expected each once"
    for load in action.loads:
        if not 0.0 < load.share <= 1.0:
            yield f"share of channel {load.channel}: found {load.share}; expected above 0, at most 1"
        if not 0 <= load.channel < channels:
            yield f"channel: found {load.channel}; expected 0 to {channels - 1}"


def _task_faults(program: Program) -> Iterator[str]:
    columns = (
        ("action", program.action, len(program.actions)),
        ("stream", program.stream, len(program.streams)),
        ("after", program.befores, len(program)),
    )
    for name, values, count in columns:
        found = np.frombuffer(values, dtype=np.intc)
        for place in np.flatnonzero((found < 0) | (found >= count))[:SHOWN].tolist():
            task = place if name != "after" else _owner(program, place)
            yield f"{_place(program, task)}: {name}: found {values[place]}; expected 0 to {count - 1}"


def _rendezvous_faults(program: Program) -> Iterator[str]:
    for task, streams in program.held.items():
        if not 0 <= task < len(program):
            yield f"held: found task {task}; expected 0 to {len(program) - 1}"
            continue
        inside = all(0 <= stream < len(program.streams) for stream in streams)
        if not inside or len(set(streams)) < len(streams) or program.stream[task] != (*streams, -1)[0]:
            yield (
                f"{_place(program, task)}: streams: found {streams}; expected each once, "
                f"0 to {len(program.streams) - 1}, the task's own {program.stream[task]} first"
            )


def _column_faults(program: Program) -> Iterator[str]:
    count = len(program)
    for name, values, length in (
        ("stream", program.stream, count),
        ("microbatch", program.microbatch, count),
        ("starts", program.starts, count + 1),
    ):
        if len(values) != length:
            yield f"column {name}: found {len(values)} entries; expected {length} for {count} tasks"
    starts = np.frombuffer(program.starts, dtype=np.intc)
    if starts.size and (starts[0] or starts[-1] != len(program.befores) or (np.diff(starts) < 0).any()):
        yield f"column starts: expected numbers that rise from 0 to {len(program.befores)}"


def _owner(program: Program, place: int) -> int:
    starts = np.frombuffer(program.starts, dtype=np.intc)
    return int(np.searchsorted(starts, place, side="right")) - 1


def _place(program: Program, task: int) -> str:
    number = program.action[task]
    if not 0 <= number < len(program.actions):
        return f"task {task}"
    action = program.actions[number]
    return (
        f"task {task} {str(action.purpose)!r} (microbatch {program.microbatch[task]}, stage {action.stage})"
    )
