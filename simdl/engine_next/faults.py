"""Faults: what keeps a program from being run, each with place, found and expected."""

from collections.abc import Iterator, Sequence
from itertools import islice
from math import inf

import numpy as np

from simdl.engine_next.holdings import indices
from simdl.errors import SimdlError
from simdl.program.action import Action, Transfer
from simdl.program.program import Program

_SHOWN = 8


def check(program: Program) -> None:
    """Refuse a program that cannot be run.

    Raises:
        SimdlError: names every class, channel, action and task at fault, the first few of many.
    """
    found = list(islice(_faults(program), _SHOWN + 1))
    if found:
        more = ["and more"] if len(found) > _SHOWN else []
        raise SimdlError("; ".join([*found[:_SHOWN], *more]))


def _faults(program: Program) -> Iterator[str]:
    for parts in (_class_faults, _channel_faults, _stream_faults, _action_faults):
        yield from parts(program)
    columns = list(_column_faults(program))
    yield from columns or _task_faults(program)


def _class_faults(program: Program) -> Iterator[str]:
    for number, each in enumerate(program.classes):
        place = f"class {number} (pipeline rank {each.stage}, first rank {each.first})"
        if each.count < 1:
            yield f"{place}: count: found {each.count}; expected at least 1 rank"
        if not 0.0 < each.speed < inf:
            yield f"{place}: speed: found {each.speed}; expected a finite number above 0"


def _channel_faults(program: Program) -> Iterator[str]:
    for number, channel in enumerate(program.channels):
        if not 0.0 < channel.bandwidth < inf:
            place = f"channel {number} {channel.name!r}"
            yield f"{place}: bandwidth: found {channel.bandwidth}; expected finite bytes/s above 0"


def _stream_faults(program: Program) -> Iterator[str]:
    for number, stream in enumerate(program.streams):
        if not 0 <= stream.rank < len(program.classes):
            yield f"stream {number} {stream.name}: rank: found {stream.rank}; {_expected(program.classes, 'class')}"


def _action_faults(program: Program) -> Iterator[str]:
    for number, action in enumerate(program.actions):
        place = f"action {number} {str(action.purpose)!r} (stage {action.stage})"
        if not 0.0 <= action.duration < inf:
            yield f"{place}: duration: found {action.duration}; expected finite seconds, at least 0"
        if isinstance(action, Transfer):
            yield from (f"{place}: {fault}" for fault in _transfer_faults(action, program))


def _transfer_faults(transfer: Transfer, program: Program) -> Iterator[str]:
    if not 0.0 <= transfer.footprint <= 1.0:
        yield f"footprint: found {transfer.footprint}; expected a share in [0, 1]"
    numbers = [load.channel for load in transfer.loads]
    if len({*numbers}) < len(numbers):
        yield f"loads: found channels {numbers}; expected each once"
    for load in transfer.loads:
        if not 0 <= load.channel < len(program.channels):
            yield f"loads: found {load.channel}; {_expected(program.channels, 'channel')}"
        if not 0.0 < load.share <= 1.0:
            yield f"loads: share of channel {load.channel}: found {load.share}; expected a share in (0, 1]"


def _column_faults(program: Program) -> Iterator[str]:
    count = len(program)
    lengths = {"stream": count, "microbatch": count, "starts": count + 1}
    for name, length in lengths.items():
        found = len(getattr(program, name))
        if found != length:
            yield f"column {name}: found {found} entries; expected {length}, for {count} tasks"
    starts = indices(program.starts)
    if len(starts) != count + 1:
        return
    if starts[0] or starts[-1] != len(program.befores) or (np.diff(starts) < 0).any():
        yield f"column starts: expected numbers that rise from 0 to {len(program.befores)}"


def _task_faults(program: Program) -> Iterator[str]:
    count = len(program)
    for name, targets, what in (
        ("action", program.actions, "action"),
        ("stream", program.streams, "stream"),
    ):
        column = indices(getattr(program, name))
        for task in _outside(column, len(targets)):
            yield f"{_place(program, task)}: {name}: found {column[task]}; {_expected(targets, what)}"
    for link in _outside(indices(program.befores), count):
        task = int(np.searchsorted(indices(program.starts), link, side="right")) - 1
        expected = f"expected task indices 0 to {count - 1}"
        yield f"{_place(program, task)}: after: found {program.befores[link]}; {expected}"
    for task, streams in program.held.items():
        yield from _rendezvous_faults(program, task, streams)


def _rendezvous_faults(program: Program, task: int, streams: tuple[int, ...]) -> Iterator[str]:
    if not 0 <= task < len(program):
        yield f"held: found task {task}; {_expected(program.action, 'task')}"
        return
    place = _place(program, task)
    if len({*streams}) < len(streams) or streams[:1] != (program.stream[task],):
        yield f"{place}: streams: found {streams}; expected each once, {program.stream[task]} first"
    if any(not 0 <= stream < len(program.streams) for stream in streams):
        yield f"{place}: streams: found {streams}; {_expected(program.streams, 'stream')}"


def _outside(column: np.ndarray, count: int) -> list[int]:
    return [int(place) for place in np.flatnonzero((column < 0) | (column >= count))[: _SHOWN + 1]]


def _place(program: Program, task: int) -> str:
    number = program.action[task]
    action: Action | None = program.actions[number] if 0 <= number < len(program.actions) else None
    name = f" {str(action.purpose)!r} (microbatch {program.microbatch[task]}, stage {action.stage})" if action else ""
    return f"task {task}{name}"


def _expected(targets: Sequence[object], what: str) -> str:
    return f"expected {what} indices 0 to {len(targets) - 1}" if targets else f"expected none, for there is no {what}"
