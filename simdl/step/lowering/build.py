"""A program being built from a priced step: lanes, arrivals of results, and actions known already."""

from array import array
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

from simdl.pipelines.passes import Entry, Overlap
from simdl.program.action import Action, Cause, Purpose, Work
from simdl.program.builder import INDEX, ProgramBuilder
from simdl.program.program import Lane
from simdl.step.costs.step_cost import StepCost
from simdl.step.lowering.host_lowering import Add, HostLanes
from simdl.step.lowering.segments import Segmentation
from simdl.step.lowering.transfers import StepTransfers

LANES = (Lane.COMPUTE, Lane.COLLECTIVE, Lane.SEND_FORWARD, Lane.SEND_BACKWARD)
HOST_LANES = (Lane.TO_HOST, Lane.FROM_HOST, Lane.HOST)
"""Of ranks with something in host memory; behind all other lanes."""


@dataclass(slots=True)
class Build:
    """The program so far: where results arrive, who waits for them, and what has been reduced.

    Attributes:
        arrivals: per stage the task after which each microbatch's activation is there, and per ~stage the
            same of its gradient.
        decode: [s] of kernels that decompress what has been reduced, which the update comes after.
        waits: task, stage or ~stage, microbatch of every wait for a result, one after the other.
        gathered: the gather of updated parameters that the next step on the rank waits for, or -1.
        paged: [bytes] per pipeline rank of optimizer state that the host holds; () where none is paged.
        ended: the last task of the last pass so far.
        tasks: that a pass over recurrent layers may be opened up into.
        host: its lanes, where something lies in host memory.
        entries: first task and microbatch of every forward pass of the first stage.
        updated: the update before which no parameters of the next step are gathered, or -1.
        places: per pipeline rank the first task of every entry of its order, and the task behind the last.
    """

    step: StepCost
    builder: ProgramBuilder
    transfers: StepTransfers
    segmentation: Segmentation
    microbatches: int
    paged: tuple[float, ...] = ()
    arrivals: "dict[int, array[int]]" = field(default_factory=dict)
    waits: "array[int]" = field(default_factory=lambda: array(INDEX))
    actions: dict[tuple[Hashable, ...], int] = field(default_factory=dict)
    reduced: list[int] = field(default_factory=list)
    decode: float = 0.0
    shift: int = 0
    gathered: int = -1
    ended: int = -1
    updated: int = -1
    tasks: int = 0
    host: HostLanes | None = None
    entries: list[tuple[int, int]] = field(default_factory=list)
    places: "list[array[int]]" = field(default_factory=list)

    def arrive(self, key: int, microbatch: int, task: int) -> None:
        """Say after which task a result is there."""
        if key not in self.arrivals:
            self.arrivals[key] = array(INDEX, [-1]) * self.microbatches
        self.arrivals[key][microbatch] = task

    def once(self, key: tuple[Hashable, ...], make: Callable[[], Action]) -> int:
        """The number of the action that a key stands for, made when it is first asked for."""
        number = self.actions.get(key)
        if number is None:
            number = self.actions[key] = self.builder.action(make())
        return number

    def add(self, rank: int, lane: Lane, action: Action, after: tuple[int, ...], microbatch: int = -1) -> int:
        """Add a task whose action may be new."""
        stream = (
            self.step.strategy.pp * len(LANES) + len(HOST_LANES) * rank + HOST_LANES.index(lane)
            if (lane in HOST_LANES)
            else stream_of(rank, lane)
        )
        return self.builder.add(self.builder.action(action), stream, after, microbatch=microbatch)

    def adder(self, rank: int) -> Add:
        """Adds tasks to the lanes of one rank."""
        return lambda lane, action, after, microbatch: self.add(rank, lane, action, tuple(after), microbatch)


def stream_of(rank: int, lane: Lane) -> int:
    """Number of a lane of a pipeline rank, of those that every rank has."""
    return len(LANES) * rank + LANES.index(lane)


def add_walk(  # noqa: PLR0917 - what a task is added with
    build: Build,
    rank: int,
    work: Work,
    walks: Sequence[tuple[str, float]],
    after: tuple[int, ...],
    microbatch: int,
) -> tuple[int, int]:
    """Work in parts that wait for one another; memory comes with the first and goes with the last."""
    first = task = -1
    for index, (label, share) in enumerate(walks):
        part = replace(
            work,
            parts=tuple((cause, seconds * share) for cause, seconds in work.parts),
            acquire=work.acquire if index == 0 else 0.0,
            release=work.release if index == len(walks) - 1 else 0.0,
            label=label,
        )
        task = build.add(rank, Lane.COMPUTE, part, after if index == 0 else (task,), microbatch)
        first = task if index == 0 else first
    return first, task


def purpose_of(entry: Entry) -> Purpose:
    """What a task that runs a pass is called."""
    return Purpose.OVERLAPPED if isinstance(entry, Overlap) else Purpose[entry.kind.name]


def encoding(seconds: float) -> Work:
    """Kernels that compress gradients."""
    return Work(purpose=Purpose.COMPRESS, parts=((Cause.COMPRESSION, seconds),))
