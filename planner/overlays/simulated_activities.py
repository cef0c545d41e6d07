"""A simulated rank as activities of the same kinds as a trace: the passes opened up into their kernels.

A pass is one task; its kernels are laid out one after another in launch order, stretched by contention,
then its exposed communication. What a launch or the software takes stays empty, as it does on a device.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from planner.kineto.activities import Activity
from planner.kineto.kinds import COMMUNICATION, OPTIMIZER
from simdl.engine.timeline import Timeline
from simdl.program.action import Purpose
from simdl.program.program import Task
from simdl.report.critical_tasks import spent
from simdl.report.operator_times import PASSES, PHASES, block_times, blocks_by_stage, redone_of
from simdl.step.costs.step_cost import StepCost

LIMIT = 4000  # activities of a rank, above which equal kinds of a pass are drawn as one
PLACE = "simulated"
Parts = tuple[tuple[str, float], ...]  # [s] by cause
Piece = tuple[str, str, float]  # name, kind, seconds
Pass = tuple[str, int, int]  # name, microbatch, virtual stage


@dataclass(slots=True)
class _Passes:
    """Kernels of every pass, and how much of a pass that several tasks share has been laid out."""

    step: StepCost
    by_kind: bool = False
    known: dict[tuple[str, int], list[Piece]] = field(default_factory=dict)
    done: dict[Pass, float] = field(default_factory=lambda: defaultdict(float))

    def pieces(self, task: Task) -> list[Piece]:
        """Kernels of the whole pass that a task belongs to."""
        key = task.name, task.stage
        if key not in self.known:
            found = list(_pass_pieces(self.step, *key))
            self.known[key] = _added_up(found) if self.by_kind else found
        return self.known[key]


def simulated_activities(step: StepCost, timeline: Timeline, *, rank: int) -> tuple[Activity, ...]:
    """Everything that runs on one pipeline rank, in the order of starts."""
    program = timeline.program
    mine = {index for index, stream in enumerate(program.streams) if stream.rank == rank}
    indices = [index for index, task in enumerate(program.tasks) if mine & set(task.streams)]
    passes = _Passes(step)
    count = sum(
        len(passes.pieces(program.tasks[index])) for index in indices if _is_pass(program.tasks[index])
    )
    if count > LIMIT:
        passes = _Passes(step, by_kind=True)
    found = [activity for index in indices for activity in _activities(passes, timeline, index)]
    return tuple(sorted(found, key=lambda activity: activity.start))


def _is_pass(task: Task) -> bool:
    return task.name in PASSES and task.stage >= 0


def _activities(passes: _Passes, timeline: Timeline, index: int) -> Iterator[Activity]:
    task = timeline.program.tasks[index]
    start = timeline.start[index]
    lane = PLACE, timeline.program.streams[task.streams[0]].name
    parts = spent(task.action, timeline.end[index] - start)
    pieces = list(_of_pass(passes, task, dict(parts))) if _is_pass(task) else _whole(task, parts)
    for name, kind, seconds in pieces:
        yield Activity(kind, name, lane, start, start + seconds, start)
        start += seconds


def _whole(task: Task, parts: Parts) -> list[Piece]:
    """A task outside passes: its work, without what the software takes."""
    kinds = [COMMUNICATION if cause.endswith(COMMUNICATION) else str(cause) for cause, _ in parts]
    return [
        (task.name, kind, seconds)
        for kind, (_, seconds) in zip(kinds, parts, strict=True)
        if kind in {COMMUNICATION, OPTIMIZER}
    ]


def _of_pass(passes: _Passes, task: Task, parts: Mapping[str, float]) -> Iterator[Piece]:
    pieces = passes.pieces(task)
    whole = sum(seconds for *_, seconds in pieces)
    device = sum(parts.get(phase, 0.0) for phase in PHASES)
    key = task.name, task.microbatch, task.stage
    first = passes.done[key]
    passes.done[key] = first + device
    stretch = 1 + parts.get("contention", 0.0) / device if device else 1.0
    if whole:
        for name, kind, seconds in _between(pieces, first, first + device):
            yield name, kind, seconds * stretch
    communication = sum(seconds for cause, seconds in parts.items() if cause.endswith(COMMUNICATION))
    if communication > 0:
        yield "collectives of the pass", COMMUNICATION, communication


def _between(pieces: Sequence[Piece], first: float, last: float) -> Iterator[Piece]:
    """The part of a chain of pieces between two places on it [s]."""
    begin = 0.0
    for name, kind, seconds in pieces:
        end = begin + seconds
        inside = min(end, last) - max(begin, first)
        if inside > 0:
            yield name, kind, inside
        begin = end


def _pass_pieces(step: StepCost, name: str, stage: int) -> Iterator[Piece]:
    """Kernels of one pass in launch order; the backward pass of a block follows its recomputation."""
    blocks = list(zip(blocks_by_stage(step)[stage], step.stages[stage].blocks, strict=True))
    if name == Purpose.FORWARD:
        for block, _ in blocks:
            yield from block_times(step, block, "forward")
        return
    for block, cost in reversed(blocks):
        if name != Purpose.WEIGHT_GRADIENT:
            yield from block_times(step, block, "recompute", redone=redone_of(cost))
        yield from block_times(step, block, name)


def _added_up(pieces: Sequence[Piece]) -> list[Piece]:
    kinds: dict[str, float] = defaultdict(float)
    for _, kind, seconds in pieces:
        kinds[kind] += seconds
    return [(f"{kind} kernels of the pass", kind, seconds) for kind, seconds in kinds.items()]
