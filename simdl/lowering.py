"""From a priced step to a schedule: one representative rank per pipeline stage.

Data-, tensor- and context-parallel ranks of a stage do the same thing at the same time, so each stage is
lowered once and its collectives carry their group's duration (symmetry folding, design decision 7);
:mod:`simdl.unfold` expands the schedule to every rank.
"""

from dataclasses import dataclass, field
from typing import Any

from simdl.collector import collector_paused
from simdl.gradients import gathers, gradient_bytes, reductions, total_seconds
from simdl.pipelines import pipeline_order
from simdl.pipelines.action import Action
from simdl.segments import Segment, Segmentation
from simdl.step_cost import StepCost, tied_bytes
from simdl.task import Schedule, Stream, Task

LANES = ("compute", "collective", "send-forward", "send-backward")
COMPUTE, COLLECTIVE, SEND_FORWARD, SEND_BACKWARD = range(len(LANES))
PREFETCH = 2  # parameter gathers in flight ahead of the block being computed, as FSDP's rate limiter allows

Draft = list[Any]  # a task under construction: Task's fields in order
AFTER = Task._fields.index("after")


@dataclass(slots=True)
class _Build:
    """Tasks so far, where each pass arrives, and who waits for arrivals that are not built yet."""

    step: StepCost
    segmentation: Segmentation
    drafts: list[Draft] = field(default_factory=list)
    arrival: dict[Action, int] = field(default_factory=dict)
    waiting: list[tuple[int, Action]] = field(default_factory=list)
    reduced: dict[int, list[int]] = field(default_factory=dict)

    def add(self, draft: Draft) -> int:
        self.drafts.append(draft)
        return len(self.drafts) - 1


@collector_paused()  # 10^5 objects without a cycle: to look for cycles takes longer than to build them
def lower(step: StepCost) -> Schedule:
    """The schedule of one step on ``pp`` representative ranks, four streams each."""
    strategy = step.strategy
    orders = pipeline_order(strategy.schedule, strategy.pp, step.microbatches, strategy.virtual_stages)
    build = _Build(step, Segmentation(step))
    for rank, order in enumerate(orders):
        for action in order:
            segments = build.segmentation.segments(action.kind, action.stage, action.microbatch)
            if segments is None:
                _whole_pass(build, rank, action)
            else:
                _segmented_pass(build, rank, action, segments)
        _reduce_at_end(build, rank)
        _finish(build, rank)
    for position, action in build.waiting:
        draft = build.drafts[position]
        draft[AFTER] = (*draft[AFTER], build.arrival[action])
    streams = tuple(Stream(rank, lane) for rank in range(strategy.pp) for lane in LANES)
    return Schedule(streams=streams, tasks=tuple(map(Task._make, build.drafts)))


def _stream(rank: int, lane: int) -> int:
    return len(LANES) * rank + lane


def _source(step: StepCost, action: Action) -> Action | None:
    """The pass of another stage whose result this one needs."""
    kind, microbatch, stage = action
    if kind == "F":
        return Action("F", microbatch, stage - 1) if stage > 0 else None
    return Action("B", microbatch, stage + 1) if stage + 1 < len(step.stages) else None


def _whole_pass(build: _Build, rank: int, action: Action) -> None:
    kind, microbatch, stage = action
    cost = build.step.stages[stage]
    one, name, live, dead = (
        (cost.forward, "forward", cost.saved, 0.0)
        if kind == "F"
        else (cost.backward, "backward", 0.0, cost.saved)
    )
    stream = (_stream(rank, COMPUTE),)
    position = build.add([name, stream, one.duration, (), microbatch, stage, one.parts, live, dead, 0.0])
    source = _source(build.step, action)
    if source is not None:
        build.waiting.append((position, source))
    _send(build, rank, action, position)


def _send(build: _Build, rank: int, action: Action, position: int) -> None:
    """Transfer the result to the neighbouring stage, on its own stream where the stack overlaps it."""
    kind, microbatch, stage = action
    step = build.step
    boundary = stage if kind == "F" else stage - 1
    seconds = step.transfer[boundary] if boundary >= 0 else 0.0
    if seconds > 0:
        name, beside = ("send activation", SEND_FORWARD) if kind == "F" else ("send gradient", SEND_BACKWARD)
        lane = beside if step.stack.pipeline_overlap else COMPUTE
        parts = (("pipeline_communication", seconds),)
        stream = (_stream(rank, lane),)
        sent = step.stages[boundary].boundary
        position = build.add([name, stream, seconds, (position,), microbatch, stage, parts, 0.0, 0.0, sent])
    build.arrival[action] = position


def _segmented_pass(build: _Build, rank: int, action: Action, segments: tuple[Segment, ...]) -> None:
    """Gathers run at most PREFETCH segments ahead; a reduction follows the gather that its segment let go."""
    kind, microbatch, stage = action
    name = "forward" if kind == "F" else "backward"
    saved = build.step.stages[stage].saved
    stream = (_stream(rank, COMPUTE),)
    computed: list[int] = []
    for index, segment in enumerate(segments):
        after = _gather(build, rank, action, segment, computed)
        if index >= PREFETCH:
            _reduce(build, rank, action, segments[index - PREFETCH], computed[index - PREFETCH])
        live = saved if kind == "F" and index == 0 else 0.0
        dead = saved if kind == "B" and index == len(segments) - 1 else 0.0
        cost = segment.cost
        draft = [name, stream, cost.duration, after, microbatch, stage, cost.parts, live, dead, 0.0]
        computed.append(build.add(draft))
    for segment, position in list(zip(segments, computed, strict=True))[-PREFETCH:]:
        _reduce(build, rank, action, segment, position)
    source = _source(build.step, action)
    if source is not None:
        build.waiting.append((computed[0], source))
    _send(build, rank, action, computed[-1])


def _gather(
    build: _Build, rank: int, action: Action, segment: Segment, computed: list[int]
) -> tuple[int, ...]:
    if segment.gather <= 0:
        return ()
    held = (computed[-PREFETCH],) if len(computed) >= PREFETCH else ()
    nbytes = segment.parameters * build.step.pricing.precision.parameter
    return (_collective(build, rank, "gather parameters", segment.gather, held, nbytes, action),)


def _reduce(build: _Build, rank: int, action: Action, segment: Segment, position: int) -> None:
    if segment.reduce > 0:
        nbytes = gradient_bytes(segment.parameters, build.step.pricing)
        done = _collective(build, rank, "reduce gradients", segment.reduce, (position,), nbytes, action)
        build.reduced.setdefault(rank, []).append(done)


def _collective(  # noqa: PLR0917 - the fields of a task in their order
    build: _Build,
    rank: int,
    name: str,
    seconds: float,
    after: tuple[int, ...],
    nbytes: float,
    action: Action | None = None,
) -> int:
    microbatch, stage = (action.microbatch, action.stage) if action else (-1, -1)
    parts = (("data_communication", seconds),)
    stream = (_stream(rank, COLLECTIVE),)
    return build.add([name, stream, seconds, after, microbatch, stage, parts, 0.0, 0.0, nbytes])


def _reduce_at_end(build: _Build, rank: int) -> None:
    """One reduction of the rank's whole gradient where nothing reduced it beside a backward pass."""
    step = build.step
    strategy = step.strategy
    scattered = strategy.zero >= 2 and strategy.shards > 1
    if strategy.replicas == 1 or scattered or step.stack.gradient_overlap:
        return
    parameters = sum(stage.parameters for stage in step.rank_stages(rank))
    seconds = total_seconds(reductions(step.rank_gradients(rank), strategy, step.pricing))
    last = len(build.drafts) - 1
    nbytes = gradient_bytes(parameters, step.pricing)
    build.reduced[rank] = [_collective(build, rank, "reduce gradients", seconds, (last,), nbytes)]


def _finish(build: _Build, rank: int) -> None:
    """Tied embedding, optimizer, and the gather of updated parameters where nothing hides it."""
    step = build.step
    strategy = step.strategy
    after = tuple(build.reduced.get(rank, ()))
    if step.tied > 0 and rank in {0, strategy.pp - 1}:
        last = len(build.drafts) - 1
        nbytes = tied_bytes(step.workload.network, strategy, step.pricing)
        after = (_collective(build, rank, "reduce tied embedding", step.tied, (*after, last), nbytes),)
    update, overhead = step.optimizer[rank], step.stack.step_overhead
    parts = (("optimizer", update), ("overhead", overhead))
    stream = (_stream(rank, COMPUTE),)
    done = build.add(["optimizer", stream, update + overhead, after, -1, -1, parts, 0.0, 0.0, 0.0])
    sharded = strategy.zero in (1, 2) and strategy.shards > 1
    if sharded and not step.stack.parameter_overlap:
        parameters = sum(stage.parameters for stage in step.rank_stages(rank))
        seconds = total_seconds(gathers(step.rank_gradients(rank), strategy, step.pricing))
        nbytes = parameters * step.pricing.precision.parameter
        _collective(build, rank, "gather parameters", seconds, (done,), nbytes)
