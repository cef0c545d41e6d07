"""Program: what the ranks of one step do, in which order, without times.

Equal ranks form one class: they do the same at the same time, so one of them stands for all (design decision
7). Tasks are instances of a few hundred distinct actions, held as columns, because a step has up to some
millions of them.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, overload

from simdl.program.action import Action, Parts, Work


class Lane(StrEnum):
    """An ordered queue of tasks on a rank; the lanes of a rank run beside each other."""

    COMPUTE = "compute"
    COLLECTIVE = "collective"
    SEND_FORWARD = "send-forward"
    SEND_BACKWARD = "send-backward"
    TO_HOST = "to-host"
    FROM_HOST = "from-host"
    HOST = "host"
    READ = "read"
    PARSE = "parse"
    DECODE = "decode"
    AUGMENT = "augment"
    COPY = "copy"


class Stream(NamedTuple):
    """A lane of a rank class."""

    rank: int  # index of the class
    name: Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class RankClass:
    """Ranks that do the same at the same time.

    Attributes:
        stage: pipeline rank.
        count: ranks of the cluster that it stands for.
        first: lowest of them.
        speed: of their compute streams; 1 is what the actions are priced at.
    """

    stage: int
    count: int = 1
    first: int = 0
    speed: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One direction of the ports of a domain of the cluster: what concurrent transfers share.

    Attributes:
        name: such as ``"infiniband of ranks 8 to 15, out"``.
        bandwidth: [bytes/s] of all ports together.
        level: of the cluster, innermost first.
        reach: ranks behind the ports.
        outward: whether this is the direction away from these ranks.
        first: the lowest of these ranks.
    """

    name: str
    bandwidth: float
    level: int = 0
    reach: int = 1
    outward: bool = True
    first: int = 0


class Task(NamedTuple):
    """One task of a program, looked at.

    Attributes:
        action: what it does.
        streams: indices of the streams that it holds, several for a rendezvous.
        after: indices of tasks that must have ended.
        microbatch: index, or -1.
    """

    action: Action
    streams: tuple[int, ...]
    after: tuple[int, ...]
    microbatch: int

    @property
    def name(self) -> str:
        """What it does, in words."""
        return str(self.action.purpose)

    @property
    def label(self) -> str:
        """Which part of a pass it is, where that is opened up; "" otherwise."""
        return self.action.label if isinstance(self.action, Work) else ""

    @property
    def duration(self) -> float:
        """[s] alone and at full speed."""
        return self.action.duration

    @property
    def stage(self) -> int:
        """Virtual stage, or -1."""
        return self.action.stage

    @property
    def parts(self) -> Parts:
        """[s] by cause, alone and at full speed."""
        return self.action.parts

    @property
    def acquire(self) -> float:
        """[bytes] live from its start."""
        return self.action.acquire if isinstance(self.action, Work) else 0.0

    @property
    def release(self) -> float:
        """[bytes] no longer live from its end."""
        return self.action.release if isinstance(self.action, Work) else 0.0

    @property
    def nbytes(self) -> float:
        """[bytes] that it moves over links, of one rank's message; 0 for work."""
        return 0.0 if isinstance(self.action, Work) else self.action.nbytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Program:
    """Tasks of all rank classes. On each stream, tasks run in the order in which they stand.

    Attributes:
        classes: equal ranks.
        streams: lanes of the classes.
        actions: distinct pieces of work and transfers.
        channels: what transfers share.
        action: per task the index of its action.
        stream: per task the index of the stream that it holds, the first of several.
        microbatch: per task its microbatch, or -1.
        held: all streams of those tasks that hold several (a rendezvous: all must be free).
        starts: per task, and once more at the end, where its part of ``befores`` begins.
        befores: tasks that must have ended.
    """

    classes: tuple[RankClass, ...]
    streams: tuple[Stream, ...]
    actions: tuple[Action, ...]
    channels: tuple[Channel, ...] = ()
    action: "array[int]"
    stream: "array[int]"
    microbatch: "array[int]"
    held: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    starts: "array[int]"
    befores: "array[int]"

    def __len__(self) -> int:
        return len(self.action)

    @property
    def tasks(self) -> "Tasks":
        """The tasks as a sequence."""
        return Tasks(self)

    def streams_of(self, index: int) -> tuple[int, ...]:
        """Streams that a task holds."""
        return self.held.get(index) or (self.stream[index],)

    def after(self, index: int) -> tuple[int, ...]:
        """Tasks that must have ended before a task starts."""
        return tuple(self.befores[self.starts[index] : self.starts[index + 1]])


class Tasks(Sequence[Task]):
    """The tasks of a program, made when looked at."""

    __slots__ = ("_program",)

    def __init__(self, program: Program) -> None:
        self._program = program

    def __len__(self) -> int:
        return len(self._program)

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Task]: ...
    def __getitem__(self, index: int | slice) -> Task | Sequence[Task]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        program = self._program
        place = index if index >= 0 else index + len(self)
        return Task(
            program.actions[program.action[place]],
            program.streams_of(place),
            program.after(place),
            program.microbatch[place],
        )

    def __iter__(self) -> Iterator[Task]:
        return map(self.__getitem__, range(len(self)))
