"""Programs written out task by task, for tests of what runs and reads them."""

from collections.abc import Mapping
from typing import NamedTuple

from simdl.program.action import Load, Transfer, Work
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Channel, RankClass, Stream


class Task(NamedTuple):
    """A task with its action; names may be any text.

    It is a transfer where it moves bytes, loads channels (share of each while alone) or has a footprint, and
    work otherwise.
    """

    name: str
    streams: tuple[int, ...]
    duration: float
    after: tuple[int, ...] = ()
    microbatch: int = -1
    stage: int = -1
    parts: tuple[tuple[str, float], ...] = ()
    acquire: float = 0.0
    release: float = 0.0
    nbytes: float = 0.0
    shares: Mapping[int, float] = {}
    footprint: float = 0.0


def build_program(*, streams, tasks, channels=(), classes=None):
    """The tasks in their order.

    Args:
        streams: pairs of class and lane.
        tasks: on them.
        channels: bandwidth of each.
        classes: by default one rank each, as many as the streams name.
    """
    streams = [Stream(*stream) for stream in streams]
    ranks = 1 + max((stream.rank for stream in streams), default=-1)
    builder = ProgramBuilder(
        [RankClass(stage=rank, first=rank) for rank in range(ranks)] if classes is None else classes, streams
    )
    for number, bandwidth in enumerate(channels):
        builder.channel(Channel(name=f"channel {number}", bandwidth=bandwidth))
    for task in tasks:
        number = builder.add(
            builder.action(_action(task)), task.streams[0], task.after, microbatch=task.microbatch
        )
        if len(task.streams) > 1:
            builder.hold(number, task.streams)
    return builder.program()


def _action(task):
    parts = task.parts or ((task.name, task.duration),)
    if not (task.nbytes or task.shares or task.footprint):
        return Work(
            purpose=task.name, parts=parts, stage=task.stage, acquire=task.acquire, release=task.release
        )
    return Transfer(
        purpose=task.name,
        cause=parts[0][0],
        operation=None,
        ranks=2,
        nbytes=task.nbytes,
        duration=task.duration,
        loads=tuple(Load(*load) for load in task.shares.items()),
        footprint=task.footprint,
        stage=task.stage,
    )
