"""Passes in segments: computation with gathers of parameters and reductions of gradients beside it."""

from dataclasses import replace
from functools import partial

from simdl.pipelines.passes import Entry, Pass, passes_of
from simdl.program.action import Transfer, Work
from simdl.program.program import Lane
from simdl.step.costs.gradients import Collective
from simdl.step.costs.walks import unrolled
from simdl.step.lowering.build import Build, add_walk, encoding, purpose_of, stream_of
from simdl.step.lowering.host_lowering import Item
from simdl.step.lowering.segments import Segment

PREFETCH = 2  # parameter gathers in flight ahead of the block being computed, as FSDP's rate limiter allows


def segmented_pass(build: Build, rank: int, entry: Entry, segments: tuple[Segment, ...]) -> tuple[int, int]:
    """Gathers run at most PREFETCH segments ahead; a reduction follows the gather that its segment let go.

    Returns:
        The first and the last task of the pass.
    """
    passes = passes_of(entry)
    split = next((each for each in passes if each.kind.completes), passes[0])
    microbatch = split.microbatch + build.shift
    computed: list[int] = []
    first = -1
    host, add = build.host, build.adder(rank)
    if host:
        host.start_pass(build.ended)
    for index, segment in enumerate(segments):
        after = _gather(build, rank, split, segment, computed)
        if index >= PREFETCH:
            _reduce(build, rank, split, segments[index - PREFETCH], computed[index - PREFETCH])
        item = Item(split.stage, microbatch, segment.place, segment.blocks, split.kind)
        if host:
            after = (*after, *host.before(add, item))
        began, task = _compute(build, rank, entry, segments, index, after)
        first = began if index == 0 else first
        if host:
            host.after(add, item, task)
        computed.append(task)
    for segment, task in list(zip(segments, computed, strict=True))[-PREFETCH:]:
        _reduce(build, rank, split, segment, task)
    return first, computed[-1]


def _compute(  # noqa: PLR0917 - which part of which pass
    build: Build,
    rank: int,
    entry: Entry,
    segments: tuple[Segment, ...],
    index: int,
    after: tuple[int, ...],
) -> tuple[int, int]:
    """The first and the last task of a segment's own work."""
    passes, segment = passes_of(entry), segments[index]
    split = next((each for each in passes if each.kind.completes), passes[0])
    microbatch = split.microbatch + build.shift
    walks = tuple(unrolled(segment.walks, tasks=build.tasks)) if segment.walks else ()
    if walks:
        return add_walk(build, rank, _work(build, rank, entry, segments, index), walks, after, microbatch)
    key = (segment, *((each.kind, each.stage) for each in passes))
    action = build.once(key, partial(_work, build, rank, entry, segments, index))
    task = build.builder.add(action, stream_of(rank, Lane.COMPUTE), after, microbatch=microbatch)
    return task, task


def _work(build: Build, rank: int, entry: Entry, segments: tuple[Segment, ...], index: int) -> Work:
    """What a segment computes; memory comes with the first of a pass and goes with the last."""
    stages, passes, cost = build.step.stages, passes_of(entry), segments[index].cost
    inside = build.transfers.inside(rank, passes[0].stage, cost.parts)
    acquire = sum(stages[each.stage].saved for each in passes if each.kind.acquires)
    release = sum(stages[each.stage].saved for each in passes if each.kind.releases)
    return Work(
        purpose=purpose_of(entry),
        parts=cost.parts,
        stage=passes[0].stage,
        partner=passes[1].stage if len(passes) > 1 else -1,
        acquire=acquire if index == 0 else 0.0,
        release=release if index == len(segments) - 1 else 0.0,
        loads=inside.loads,
        busy=inside.busy,
    )


def _gather(build: Build, rank: int, entry: Pass, segment: Segment, computed: list[int]) -> tuple[int, ...]:
    if segment.gather <= 0:
        return ()
    held = (computed[-PREFETCH],) if len(computed) >= PREFETCH else ()
    if not computed and build.updated >= 0:
        held = (build.updated,)
    microbatch, stage = entry.microbatch + build.shift, entry.stage
    stream = stream_of(rank, Lane.COLLECTIVE)
    found = []
    for place, each in enumerate(segment.gathers):
        key = ("gather", segment, stage, place)
        action = build.once(key, partial(build.transfers.gather, rank, each, stage))
        found.append(build.builder.add(action, stream, held, microbatch=microbatch))
    return tuple(found)


def _reduce(build: Build, rank: int, entry: Pass, segment: Segment, task: int) -> None:
    """Reduce what a segment completes.

    A coordinator works through the ranks' requests while the segment computes its gradients; what it has not
    done by then comes before the reduction.
    """
    done = task
    microbatch = entry.microbatch + build.shift
    for place, each in enumerate(segment.reductions):
        if each.encode > 0:
            task = build.add(rank, Lane.COMPUTE, encoding(each.encode), (task,), microbatch)
        build.decode += each.decode
        key = ("reduce", segment, entry.stage, place)
        action = build.once(key, partial(_reduction, build, rank, entry.stage, segment, each))
        stream = stream_of(rank, Lane.COLLECTIVE)
        done = build.builder.add(action, stream, (task,), microbatch=microbatch)
        build.reduced.append(done)
    if build.host and entry.kind.completes:
        item = Item(entry.stage, microbatch, segment.place, segment.blocks, entry.kind)
        build.host.send_gradient(build.adder(rank), item, (done,))


def _reduction(build: Build, rank: int, stage: int, segment: Segment, made: Collective) -> Transfer:
    transfer = build.transfers.reduce(rank, made, stage)
    late = max(0.0, made.negotiation - segment.cost.duration)
    return replace(transfer, duration=transfer.duration + late) if late else transfer
