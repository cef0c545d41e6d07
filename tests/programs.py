"""Programs written out task by task, for tests of what runs and reads them."""

from typing import NamedTuple

from simdl.program.action import Transfer, Work
from simdl.program.builder import ProgramBuilder
from simdl.program.program import RankClass, Stream


class Task(NamedTuple):
    """A task with its action: work, or a transfer where it moves bytes; names may be any text."""

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


def build_program(*, streams, tasks):
    """One class per rank of the streams, the tasks in their order."""
    streams = [Stream(*stream) for stream in streams]
    ranks = 1 + max((stream.rank for stream in streams), default=-1)
    builder = ProgramBuilder([RankClass(stage=rank, first=rank) for rank in range(ranks)], streams)
    for task in tasks:
        number = builder.add(
            builder.action(_action(task)), task.streams[0], task.after, microbatch=task.microbatch
        )
        if len(task.streams) > 1:
            builder.hold(number, task.streams)
    return builder.program()


def _action(task):
    parts = task.parts or ((task.name, task.duration),)
    if not task.nbytes:
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
        stage=task.stage,
    )
