"""Execution traces of MLCommons Chakra, read as one measured step (schema: `simdl.report.chakra_trace`).

Where nodes have no start times, as generated traces do not, they run as soon as what they wait for has ended
and their stream is free: one for computation, one for communication, in the order of the file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path

from planner.kineto.activities import Activity
from planner.kineto.kinds import COMMUNICATION, COPY, OPTIMIZER, kernel_kind, operator_kind
from planner.kineto.measured_steps import MeasuredStep, MeasuredTrace, divided
from readers.errors import InputError
from readers.limits import Kind, limit_of
from readers.pieces import read_pieces
from simdl.errors import SimdlError
from simdl.report.chakra_trace import MICRO
from simdl.report.protobuf_wire import Value, read_blocks, read_fields, read_packed

KIND = "an execution trace of MLCommons Chakra (.et)"
EXPECTED = f"expected {KIND}"
LONGEST = 1e12
"""[us] of a time, at most: eleven days."""
NODE = 1024
"""[bytes] of the file that are taken in for every node; a node of Chakra has as many."""
LONGEST_MESSAGE = 2**20
"""[bytes] of one node, at most."""
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
    """All nodes of a trace in the order of the file; no more than one is held as bytes at any time.

    Raises:
        SimdlError: not readable, too large, cut off or no such trace, or a number that two nodes have.
    """
    nodes: dict[int, ChakraNode] = {}
    try:
        messages = read_blocks(read_pieces(path, KIND), LONGEST_MESSAGE)
        for message in islice(messages, 1, None):  # the first tells of the trace
            _take(nodes, _node(message))
    except InputError as error:
        raise SimdlError(str(error)) from None
    except (ValueError, OverflowError) as error:
        raise SimdlError(f"{path}: {error}; {EXPECTED}") from None
    if not nodes:
        raise SimdlError(f"{path}: found no nodes; {EXPECTED}")
    return tuple(nodes.values())


def _take(nodes: dict[int, ChakraNode], node: ChakraNode) -> None:
    if node.number in nodes:
        raise ValueError(f"node {node.number}: stands twice")
    most = limit_of(Kind.TRACE) // NODE
    if len(nodes) == most:
        raise ValueError(
            f"found more than {most:,} nodes, one to {NODE} bytes that are taken in; expected fewer, or "
            "--max-input to take in more"
        )
    nodes[node.number] = node


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
    """Start of every node [s].

    Where the trace has none, the file is gone through in rounds: a node whose waits are over runs where it
    stands, the others in a later round.
    """
    if any(node.start for node in nodes):
        return {node.number: node.start for node in nodes}
    known = {node.number for node in nodes}
    open_waits = {node.number: len(set(node.waits) & known) for node in nodes}
    waiting: dict[int, list[int]] = {}
    for place, node in enumerate(nodes):
        for before in set(node.waits) & known:
            waiting.setdefault(before, []).append(place)
    ready = [(0, place) for place, node in enumerate(nodes) if not open_waits[node.number]]
    free, end, found = {True: 0.0, False: 0.0}, dict[int, float](), dict[int, float]()
    while ready:
        turn, place = heappop(ready)
        node = nodes[place]
        lane = RUNS.get(node.type) == COMMUNICATION
        start = max([free[lane], *(end.get(before, 0.0) for before in node.waits)])
        found[node.number], end[node.number] = start, start + node.seconds
        free[lane] = end[node.number]
        for after in waiting.get(node.number, ()):
            open_waits[nodes[after].number] -= 1
            if not open_waits[nodes[after].number]:
                heappush(ready, (turn if after > place else turn + 1, after))
    if left := [node for node in nodes if node.number not in found]:
        name = left[0].name or left[0].number
        raise SimdlError(f"{path}: node {name} waits for itself in the end; {EXPECTED}")
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
