"""From a priced step to a program: one class of equal ranks per pipeline rank, four lanes each.

Data-, tensor- and context-parallel ranks of a stage do the same at the same time, so one of them stands for
all and its collectives last as long as their group needs (design decision 7); :mod:`simdl.program.unfolding`
makes one class per rank. Orders come from :mod:`simdl.pipelines`; nothing here knows a schedule or a kind of
pass by name, only what kinds need, send and complete.
"""

from array import array
from collections.abc import Iterator, Sequence

from simdl.collector import collector_paused
from simdl.memory.needs import paged_by_rank
from simdl.pipelines import pipeline_order
from simdl.pipelines.parts import ends, updates
from simdl.pipelines.passes import Entry, Order, Pass, PassKind, passes_of
from simdl.pipelines.steps import order_length, steps_in_a_row
from simdl.program.action import Cause, Purpose, Work
from simdl.program.builder import INDEX, ProgramBuilder
from simdl.program.program import Lane, Program, RankClass, Stream
from simdl.step.costs.gradients import reductions
from simdl.step.costs.host import HostTransfers
from simdl.step.costs.stage import stage_walks
from simdl.step.costs.stage_items import is_hosted
from simdl.step.costs.step_cost import StepCost
from simdl.step.costs.update import host_overhead, page_time
from simdl.step.costs.walks import TASKS, unrolled
from simdl.step.lowering.build import HOST_LANES, LANES, Build, add_walk, encoding, purpose_of, stream_of
from simdl.step.lowering.host_lowering import HostLanes
from simdl.step.lowering.inputs import add_inputs, input_streams
from simdl.step.lowering.segment_lowering import segmented_pass
from simdl.step.lowering.segments import Segmentation
from simdl.step.lowering.transfers import StepTransfers


def lower(step: StepCost) -> Program:
    """The program of one step, or of several in a row where the schedule's ranks never wait for all."""
    return lowered(step)[0]


@collector_paused()  # 10^5 objects without a cycle: to look for cycles takes longer than to build them
def lowered(step: StepCost) -> "tuple[Program, list[array[int]]]":
    """The program of a step, and per pipeline rank the first task of every entry of its order, one more."""
    strategy = step.strategy
    width = strategy.tp * strategy.replicas
    steps = steps_in_a_row(step.pipeline, strategy.pp, step.microbatches)
    long = 1 if step.pipeline.flushes else steps
    ranks = range(strategy.pp)
    hosted = any(is_hosted(stage) for stage in step.stages)
    streams = [Stream(rank, lane) for rank in ranks for lane in LANES]
    if hosted:
        streams += [Stream(rank, lane) for rank in ranks for lane in HOST_LANES]
    inputs = len(streams)
    streams += input_streams(step.workload)
    classes = [RankClass(stage=rank, count=width, first=rank * width) for rank in ranks]
    builder = ProgramBuilder(classes, streams)
    build = Build(
        step,
        builder,
        StepTransfers(step, builder),
        Segmentation(step),
        steps * step.microbatches,
        paged_by_rank(step),
    )
    build.host = HostLanes(step, HostTransfers(step, builder)) if hosted else None
    build.tasks = TASKS // max(1, steps * strategy.passes(step.workload.global_batch))
    length = order_length(step.pipeline, strategy.pp, step.microbatches)
    sizes = strategy.pp, length, strategy.virtual_stages
    for rank, order in enumerate(pipeline_order(strategy.schedule, *sizes)):
        build.gathered = build.updated = build.ended = -1
        build.places.append(array(INDEX))
        if build.host:
            build.host.start_rank(rank)
        for number in range(steps // long):
            build.shift = number * step.microbatches
            for part in [order] if step.pipeline.flushes else updates(order):
                build.reduced.clear()
                _passes(build, rank, part)
                if step.pipeline.flushes:
                    build.places[-1].append(len(builder))
                _reduce_at_end(build, rank)
                _finish(build, rank)
        if not step.pipeline.flushes:
            build.places[-1].append(len(builder))
    waits = iter(build.waits)
    for task, key, microbatch in zip(waits, waits, waits, strict=True):
        builder.wait(task, build.arrivals[key][microbatch])
    add_inputs(builder, step, inputs, build.microbatches, build.entries if steps > 1 else ())
    return builder.program(), build.places


def _passes(build: Build, rank: int, order: Order) -> None:
    """The passes of a rank in order; the first and the last of a stage may have communication beside them."""
    begins, completes = ends(order)
    gathered, build.gathered = build.gathered, -1
    for place, entry in enumerate(order):
        build.places[-1].append(len(build.builder))
        first, last = place in begins, place in completes
        segments = build.segmentation.segments(entry, first=first, last=last)
        begin, end = (
            _whole_pass(build, rank, entry)
            if segments is None
            else segmented_pass(build, rank, entry, segments)
        )
        if place == 0 and gathered >= 0:
            build.builder.wait(begin, gathered)
        build.ended = end
        for each in passes_of(entry):
            _connect(build, rank, each, begin, end)


def _connect(build: Build, rank: int, done: Pass, begin: int, end: int) -> None:
    """Let a pass wait for the neighbouring stage's result and pass its own on."""
    kind, stage, microbatch = done.kind, done.stage, done.microbatch + build.shift
    chain = build.step.chain
    if kind.acquires and stage % chain == 0:
        build.entries.append((begin, microbatch))
    if kind.needs_previous and stage % chain:
        build.waits.extend((begin, stage - 1, microbatch))
    if kind.needs_next and (stage + 1) % chain:
        build.waits.extend((begin, ~(stage + 1), microbatch))
    if kind.sends_forward:
        build.arrive(stage, microbatch, _send(build, rank, done, end, forward=True))
    if kind.sends_back:
        build.arrive(~stage, microbatch, _send(build, rank, done, end, forward=False))


def _send(build: Build, rank: int, done: Pass, end: int, *, forward: bool) -> int:
    """Transfer the result to the neighbouring stage, on its own lane where the stack overlaps it."""
    key = ("send", done.stage, forward)
    if key not in build.actions:
        transfer = build.transfers.send(done.stage, forward=forward)
        build.actions[key] = -1 if transfer is None else build.builder.action(transfer)
    action = build.actions[key]
    if action < 0:
        return end
    beside = Lane.SEND_FORWARD if forward else Lane.SEND_BACKWARD
    lane = beside if build.step.stack.pipeline_overlap else Lane.COMPUTE
    return build.builder.add(action, stream_of(rank, lane), (end,), microbatch=done.microbatch + build.shift)


def _whole_pass(build: Build, rank: int, entry: Entry) -> tuple[int, int]:
    """One task; it begins and ends the pass."""
    passes = passes_of(entry)
    key = tuple((each.kind, each.stage) for each in passes)
    if key not in build.actions:
        walks = tuple(_pass_walks(build, key)) if len(passes) == 1 else ()
        if walks:
            return _walked_pass(build, rank, passes[0], walks)
        cost = build.step.pass_cost(key)
        inside = build.transfers.inside(rank, passes[0].stage, cost.parts)
        work = Work(
            purpose=purpose_of(entry),
            parts=cost.parts,
            stage=passes[0].stage,
            partner=passes[1].stage if len(passes) > 1 else -1,
            acquire=sum(build.step.stages[each.stage].saved for each in passes if each.kind.acquires),
            release=sum(build.step.stages[each.stage].saved for each in passes if each.kind.releases),
            loads=inside.loads,
            busy=inside.busy,
        )
        build.actions[key] = build.builder.action(work)
    task = build.builder.add(
        build.actions[key], stream_of(rank, Lane.COMPUTE), microbatch=passes[0].microbatch + build.shift
    )
    return task, task


def _pass_walks(build: Build, key: tuple[tuple[PassKind, int], ...]) -> Iterator[tuple[str, float]]:
    """Label and share of the tasks that a pass over recurrent layers is opened up into."""
    ((kind, stage),) = key
    blocks = build.step.stages[stage].blocks
    walks = stage_walks(blocks if kind.acquires else tuple(reversed(blocks)), kind.phases)
    return unrolled(walks, tasks=build.tasks) if walks else iter(())


def _walked_pass(build: Build, rank: int, entry: Pass, walks: Sequence[tuple[str, float]]) -> tuple[int, int]:
    """The first and the last task of a pass, one after another."""
    kind, stage = entry.kind, entry.stage
    saved = build.step.stages[stage].saved
    work = Work(
        purpose=purpose_of(entry),
        parts=build.step.pass_cost(((kind, stage),)).parts,
        stage=stage,
        acquire=saved if kind.acquires else 0.0,
        release=saved if kind.releases else 0.0,
    )
    return add_walk(build, rank, work, walks, (), entry.microbatch + build.shift)


def _reduce_at_end(build: Build, rank: int) -> None:
    """One reduction of the rank's whole gradient where nothing reduced it beside a backward pass."""
    step = build.step
    strategy = step.strategy
    scattered = strategy.zero >= 2 and strategy.shards_state
    if not strategy.reduces or scattered or step.stack.gradient_overlap:
        return
    found = tuple(reductions(step.rank_gradients(rank), strategy, step.pricing))
    build.decode += sum(each.decode for each in found)
    if (encode := sum(each.encode for each in found)) > 0:
        build.add(rank, Lane.COMPUTE, encoding(encode), ())
    after = (build.ended if build.host else len(build.builder) - 1,)
    build.reduced = [
        build.add(rank, Lane.COLLECTIVE, build.transfers.reduce(rank, each), after) for each in found
    ]


def _finish(build: Build, rank: int) -> None:
    """Sums over copies, optimizer, and the gather of updated parameters where nothing hides it."""
    step = build.step
    strategy = step.strategy
    after = tuple(build.reduced[-1:])  # a rank's reductions follow one another
    for transfer in (*build.transfers.sums(rank), *build.transfers.exchange(rank)):
        after = (build.add(rank, Lane.COLLECTIVE, transfer, (*after, build.ended, len(build.builder) - 1)),)
    updates = 1 if step.pipeline.flushes else strategy.microbatches(step.workload.global_batch)
    overhead = host_overhead(step.pricing.network, strategy, step.stack) / updates
    paged = page_time(build.paged[rank], step.pricing) if build.paged else 0.0
    paging = ((Cause.HOST, paged),) if paged else ()
    decoded = ((Cause.COMPRESSION, build.decode),) if build.decode else ()
    build.decode = 0.0
    parts = (*decoded, (Cause.OPTIMIZER, step.optimizer[rank]), *paging, (Cause.OVERHEAD, overhead))
    done = build.add(rank, Lane.COMPUTE, Work(purpose=Purpose.OPTIMIZER, parts=parts), after)
    build.updated = done
    back = build.host.finish(build.adder(rank), (*after, done)) if build.host else []
    if strategy.zero in (1, 2) and strategy.shards_state and not step.stack.parameter_overlap:
        for gather in build.transfers.gather_all(rank):
            build.gathered = build.add(rank, Lane.COLLECTIVE, gather, (done, *back))
