"""Execution traces of MLCommons Chakra, read as one measured step (schema: `simdl.report.chakra_trace`).

Where nodes have no start times, as generated traces do not, they run as soon as what they wait for has ended
and their stream is free: one for computation, one for communication, in the order of the file.
"""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from planner.kineto.activities import Activity
from planner.kineto.kinds import COMMUNICATION, COPY, OPTIMIZER, kernel_kind, operator_kind
from planner.kineto.measured_steps import MeasuredStep, MeasuredTrace, divided
from simdl.errors import SimdlError
from simdl.report.chakra_trace import MICRO
from simdl.report.protobuf_wire import Value, read_block, read_fields, read_packed

EXPECTED = "expected an execution trace of MLCommons Chakra (.et)"
LONGEST = 1e12
"""[us] of a time, at most: eleven days."""
RUNS = {2: COPY, 3: COPY, 4: "", 5: COMMUNICATION, 6: COMMUNICATION, 7: COMMUNICATION}
"""Kinds of activity by ``NodeType``; metadata and invalid nodes run nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChakraNode:
    """One node of a trace; times in seconds."""

    number: int
    name: str
    type: int
    waits: tuple[int, ...]
    start: float
    seconds: float


def is_chakra(path: Path) -> bool:
    """Whether a path names such a trace."""
    return path.suffix == ".et"


def measure_chakra(path: Path) -> MeasuredTrace:
    """The trace of one rank as one step, number 0.

    Raises:
        SimdlError: not readable, cut off, no such trace, or nodes that wait for each other.
    """
    nodes = load_chakra(path)
    times = _times(path, nodes)
    activities = sorted(_activities(nodes, times), key=lambda activity: activity.start)
    if not activities:
        raise SimdlError(f"{path}: nothing runs in {len(nodes)} nodes; {EXPECTED}")
    start = min(activity.start for activity in activities)
    end = max(activity.end for activity in activities)
    if end <= start:
        raise SimdlError(f"{path}: all {len(nodes)} nodes take no time; expected durations")
    step = MeasuredStep(
        number=0,
        start=start,
        end=end,
        kinds=divided(activities, start, end),
        activities=tuple(activities),
    )
    return MeasuredTrace(on_device=True, steps=(step,), left_out=())


def load_chakra(path: Path) -> tuple[ChakraNode, ...]:
    """All nodes of a trace in the order of the file.

    Raises:
        SimdlError: not readable, cut off or no such trace.
    """
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (EOFError, zlib.error) as error:
        raise SimdlError(f"{path}: cut off or damaged ({error}); {EXPECTED}") from None
    except OSError as error:
        raise SimdlError(f"{path}: {error.strerror or error}; {EXPECTED}") from None
    try:
        messages = list(_messages(data))
        nodes = tuple(_node(message) for message in messages[1:])
    except (ValueError, OverflowError) as error:
        raise SimdlError(f"{path}: {error}; {EXPECTED}") from None
    if not nodes:
        raise SimdlError(f"{path}: found no nodes; {EXPECTED}")
    return nodes


def _messages(data: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(data):
        message, place = read_block(data, place)
        yield message


def _node(message: bytes) -> ChakraNode:
    number, name, kind, waits = 0, "", 0, []
    times = {"start": 0.0, "seconds": 0.0}
    for field, value in read_fields(message):
        if field == 1:
            number = _whole(value)
        elif field == 2:
            name = _text(value)
        elif field == 3:
            kind = _whole(value)
        elif field in {4, 5}:
            waits += list(read_packed(value)) if isinstance(value, bytes) else [_whole(value)]
        elif field == 6:
            times["start"] = _whole(value) / MICRO
        elif field == 7:
            times["seconds"] = _whole(value) / MICRO
        elif field == 10 and isinstance(value, bytes):
            times |= dict(_exact(value))
    if not all(0 <= time <= LONGEST for time in times.values()):
        raise ValueError(f"node {number}: takes {times['seconds']:g} s from {times['start']:g} s on")
    return ChakraNode(number=number, name=name, type=kind, waits=tuple(waits), **times)


def _exact(attribute: bytes) -> Iterator[tuple[str, float]]:
    name, number = "", None
    for field, value in read_fields(attribute):
        if field == 1:
            name = _text(value)
        elif field == 3 and isinstance(value, float):
            number = value
    if name in {"start", "seconds"} and number is not None:
        yield name, number


def _whole(value: Value) -> int:
    if not isinstance(value, int):
        raise ValueError("found no number where a node has one")  # noqa: TRY004 - of the file, not of the caller
    return value


def _text(value: Value) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _times(path: Path, nodes: Sequence[ChakraNode]) -> dict[int, float]:
    """Start of every node [s]."""
    if any(node.start for node in nodes):
        return {node.number: node.start for node in nodes}
    end: dict[int, float] = {}
    free = {True: 0.0, False: 0.0}
    found: dict[int, float] = {}
    waiting = list(nodes)
    while waiting:
        left = []
        known = {node.number for node in waiting}
        for node in waiting:
            if any(before in known and before not in end for before in node.waits):
                left.append(node)
                continue
            lane = RUNS.get(node.type) == COMMUNICATION
            start = max([free[lane], *(end.get(before, 0.0) for before in node.waits)])
            found[node.number], end[node.number] = start, start + node.seconds
            free[lane] = end[node.number]
        if len(left) == len(waiting):
            name = left[0].name or left[0].number
            raise SimdlError(f"{path}: node {name} waits for itself in the end; {EXPECTED}")
        waiting = left
    return found


def _activities(nodes: Sequence[ChakraNode], times: dict[int, float]) -> Iterator[Activity]:
    for node in nodes:
        kind = RUNS.get(node.type)
        if kind is None:
            continue
        start = times[node.number]
        lane = "rank", "communication" if kind == COMMUNICATION else "compute"
        yield Activity(kind or _work(node.name), node.name, lane, start, start + node.seconds, start)


def _work(name: str) -> str:
    if OPTIMIZER in name.lower():
        return OPTIMIZER
    return operator_kind(name) if "::" in name else kernel_kind(name)
