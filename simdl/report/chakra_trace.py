"""Execution traces of MLCommons Chakra: a timeline as one file per rank, without a dependency on protobuf.

A file holds a ``GlobalMetadata`` message and then one ``Node`` a task, each with its length before it. Work
is a COMP_NODE, a collective a COMM_COLL_NODE with its type and size, a message a COMM_SEND_NODE on the rank
that sends and a COMM_RECV_NODE on the one whose tasks wait for it. Nodes of a stream depend on each other in
order (``ctrl_deps``), and on what they wait for (``data_deps``). Times are whole microseconds in the schema;
the attribute ``seconds`` has them exactly. Source: mlcommons/chakra, ``schema/protobuf/et_def.proto`` and
``src/feeder/et_feeder_node.cpp``, commit 21585d8f2d65603d791d2121e3d4632351120262.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from pathlib import Path

from simdl.communication import Operation
from simdl.engine.timeline import Timeline
from simdl.errors import SimdlError
from simdl.program.action import Cause, Transfer
from simdl.program.program import Task
from simdl.report.protobuf_wire import bytes_field, double_field, number_field, packed_field, varint

VERSION = "1.0.0"
FILE = "step.{rank}.et"
MICRO = 1e6


class NodeType(IntEnum):
    """What a node does, as the schema numbers it."""

    METADATA = 1
    COMPUTE = 4
    SEND = 5
    RECEIVE = 6
    COLLECTIVE = 7


COLLECTIVES = {
    Operation.ALL_REDUCE: 0,
    Operation.ALL_GATHER: 2,
    Operation.BROADCAST: 5,
    Operation.ALL_TO_ALL: 6,
    Operation.REDUCE_SCATTER: 7,
}
"""``CollectiveCommType`` of the schema."""


def chakra_traces(timeline: Timeline) -> dict[int, bytes]:
    """The file of every rank class."""
    ranks = sorted({stream.rank for stream in timeline.program.streams})
    to = _destinations(timeline)
    return {rank: _file(timeline, rank, to) for rank in ranks}


def write_chakra_traces(timeline: Timeline, directory: Path) -> None:
    """Write ``step.RANK.et`` of every rank class into a directory that is created if it is missing.

    Raises:
        SimdlError: the directory cannot be created or written to.
    """
    try:
        directory.mkdir(exist_ok=True)
        for rank, data in chakra_traces(timeline).items():
            (directory / FILE.format(rank=rank)).write_bytes(data)
    except OSError as error:
        reason = error.strerror or error
        raise SimdlError(
            f"{directory}: cannot write the traces: {reason}; expected a writable directory"
        ) from error


def _file(timeline: Timeline, rank: int, to: Mapping[int, int]) -> bytes:
    count = timeline.program.classes[rank].count if rank < len(timeline.program.classes) else 1
    about = bytes_field(1, VERSION) + bytes_field(2, _attribute("ranks", 9, count))
    return b"".join(varint(len(message)) + message for message in (about, *_nodes(timeline, rank, to)))


def _nodes(timeline: Timeline, rank: int, to: Mapping[int, int]) -> Iterator[bytes]:
    """Nodes of a rank in the order of the program, a message before what first waits for it."""
    program = timeline.program
    last: dict[int, int] = {}
    received: set[int] = set()
    mine = {index for index, stream in enumerate(program.streams) if stream.rank == rank}
    here = {index for index in range(len(program)) if mine & set(program.streams_of(index))}
    for index in sorted(here):
        task = program.tasks[index]
        waits = []
        for before in task.after:
            if before in here:
                waits.append(before)
            elif isinstance(program.tasks[before].action, Transfer):
                number = len(program) + before
                if before not in received:
                    received.add(before)
                    yield _node(timeline, before, to, number, receives=True)
                waits.append(number)
        held = [stream for stream in program.streams_of(index) if stream in mine]
        yield _node(timeline, index, to, index, sorted({last[s] for s in held if s in last}), waits)
        last |= dict.fromkeys(held, index)


def _node(  # noqa: PLR0917 - a node and what it waits for
    timeline: Timeline,
    index: int,
    to: Mapping[int, int],
    number: int,
    control: Sequence[int] = (),
    data: Sequence[int] = (),
    *,
    receives: bool = False,
) -> bytes:
    task = timeline.program.tasks[index]
    start, seconds = timeline.start[index], timeline.end[index] - timeline.start[index]
    return b"".join(
        (
            number_field(1, number),
            bytes_field(2, task.name),
            number_field(3, _kind(task, receives=receives)),
            packed_field(4, control),
            packed_field(5, data),
            number_field(6, round(max(0.0, start) * MICRO)),
            number_field(7, round(max(0.0, seconds) * MICRO)),
            *(bytes_field(10, attribute) for attribute in _attributes(timeline, task, index, to)),
        )
    )


def _kind(task: Task, *, receives: bool) -> NodeType:
    if not isinstance(task.action, Transfer) or task.action.cause is Cause.INPUT:
        return NodeType.COMPUTE
    if task.action.operation is not None:
        return NodeType.COLLECTIVE
    return NodeType.RECEIVE if receives else NodeType.SEND


def _attributes(timeline: Timeline, task: Task, index: int, to: Mapping[int, int]) -> Iterator[bytes]:
    start, seconds = timeline.start[index], timeline.end[index] - timeline.start[index]
    yield bytes_field(1, "is_cpu_op") + number_field(27, 0)
    yield bytes_field(1, "start") + double_field(3, start)
    yield bytes_field(1, "seconds") + double_field(3, seconds)
    action = task.action
    if not isinstance(action, Transfer) or action.cause is Cause.INPUT:
        return
    yield _attribute("comm_size", 9, round(action.nbytes))
    if action.operation is not None:
        yield _attribute("comm_type", 9, COLLECTIVES.get(action.operation, 0))
        yield bytes_field(1, "pg_name") + bytes_field(29, f"{action.ranks} ranks")
        return
    ranks = [timeline.program.streams[stream].rank for stream in task.streams]
    yield _attribute("comm_src", 7, ranks[0])
    yield _attribute("comm_dst", 7, to.get(index, ranks[-1]))
    yield _attribute("comm_tag", 7, index)


def _destinations(timeline: Timeline) -> dict[int, int]:
    """Rank whose tasks wait for each message of another rank."""
    program = timeline.program
    found: dict[int, int] = {}
    for reader in range(len(program)):
        rank = program.streams[program.stream[reader]].rank
        for before in program.after(reader):
            if program.streams[program.stream[before]].rank != rank:
                found.setdefault(before, rank)
    return found


def _attribute(name: str, field: int, value: int) -> bytes:
    return bytes_field(1, name) + number_field(field, value)
