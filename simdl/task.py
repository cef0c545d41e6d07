"""Tasks and schedules: what every stream is meant to do, in which order, without times.

Named tuples rather than dataclasses: a schedule has up to some 10^5 of them and they are built in the inner
loop.
"""

from dataclasses import dataclass
from typing import NamedTuple


class Stream(NamedTuple):
    """An ordered queue of tasks on one rank; streams of a rank overlap."""

    rank: int
    name: str  # "compute", "collective", "send-forward", "send-backward"


class Task(NamedTuple):
    """One action bound to one or more streams (several: all must be free, all are held: a rendezvous).

    Attributes:
        name: what it does, such as ``"forward"``, ``"backward"``, ``"gradient all-reduce"``.
        streams: indices into ``Schedule.streams``.
        duration: [s].
        after: indices of tasks that must have ended.
        microbatch: index, or -1.
        stage: virtual stage index, or -1.
        parts: seconds by cause, adding up to ``duration``; keys are the breakdown's.
        acquire: [bytes] live on the rank of ``streams[0]`` from the start of the task.
        release: [bytes] no longer live from its end.
        nbytes: [bytes] that it moves over links, of one rank's message; 0 for work within a device.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Tasks of all ranks. On each stream, tasks run in the order in which they stand in ``tasks``."""

    streams: tuple[Stream, ...]
    tasks: tuple[Task, ...]
