"""Bounds: for every candidate at once, seconds its simulated step takes at least and bytes that it needs.

    bound = max over ranks of (end of the last backward pass + reductions left + update + gather left)

Passes and collectives are priced by the functions that lower a step, and every term is the length of a path
through the lowered schedule, so the bound is admissible: no simulated step is shorter.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from planner.memory_bounds import memory_needs
from planner.passes import Passes, Whole, gathers_ahead, reduces_beside, shape_passes, whole_passes
from planner.pipeline_bounds import last_backward_ends
from planner.prices import Floats, Prices, price_space
from planner.segment_runs import Ends, run_segments, split_pass
from planner.shapes import Shape, enumerate_shapes
from planner.space import Integers, Space, single_space
from simdl.pricing import Pricing
from simdl.step_cost import StepCost, gather_time, optimizer_time, reduce_time, step_cost, tied_time
from simdl.strategy import Strategy
from workloads.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bounds:
    """What is known of every candidate of a space without simulating it.

    Attributes:
        step_time: [s] that the simulated step takes at least.
        memory: [bytes] that the worst rank needs (at least, for interleaved schedules).
        worst_rank: pipeline rank that needs them.
    """

    step_time: Floats
    memory: Floats
    worst_rank: Integers


def estimate_bounds(space: Space, workload: Workload, pricing: Pricing) -> Bounds:
    """Bounds of all candidates of a space.

    Args:
        space: the candidates.
        workload: what is computed.
        pricing: what prices it; of the cluster that the space was enumerated for.
    """
    step_time, memory = np.zeros(len(space)), np.zeros(len(space))
    worst = np.zeros(len(space), dtype=np.int64)
    if not len(space):
        return Bounds(step_time=step_time, memory=memory, worst_rank=worst)
    prices = price_space(space, pricing)
    for shape in enumerate_shapes(space, prices, pricing):
        for candidates, seconds in _step_times(shape, prices, workload, pricing):
            step_time[candidates] = seconds
        for candidates, need in memory_needs(shape, prices, workload, pricing):
            memory[candidates] = need.max(axis=1)
            worst[candidates] = need.argmax(axis=1)
    return Bounds(step_time=step_time, memory=memory, worst_rank=worst)


def work_bound(step: StepCost) -> float:
    """[s] that a rank computes at least: its passes, which run one after another, and the update."""

    def rank_time(rank: int) -> float:
        stages = step.rank_stages(rank)
        passes = sum(stage.forward.duration + stage.backward.duration for stage in stages)
        return step.microbatches * passes + step.optimizer[rank] + step.stack.step_overhead

    return max(map(rank_time, range(step.strategy.pp)))


def estimate_bound(strategy: Strategy, workload: Workload, pricing: Pricing) -> float:
    """[s] that the simulated step of one strategy takes at least, with its own cut if it has one."""
    if strategy.split_degree > 1:
        return work_bound(step_cost(workload, strategy, pricing))
    space = single_space(strategy, workload)
    prices = price_space(space, pricing)
    shapes = enumerate_shapes(space, prices, pricing, cut=strategy.stages)
    _, seconds = next(_step_times(next(shapes), prices, workload, pricing))
    return float(seconds[0])


def _step_times(
    shape: Shape, prices: Prices, workload: Workload, pricing: Pricing
) -> Iterator[tuple[Integers, Floats]]:
    """Candidates and the seconds that their steps take at least, for every variant of a shape."""
    stack = pricing.stack
    parameters = (shape.counts(prices.parameters.shape[1]) @ prices.parameters[shape.rows[0]])[shape.kind]
    own = parameters.reshape(-1, shape.ranks).sum(axis=0).tolist()
    whole = whole_passes(shape, prices, pricing)
    undivided: Floats | None = None
    for strategy, candidates in shape.variants:
        if strategy.zero == 3 and strategy.replicas > 1:
            ends = _sharded(shape, strategy, prices, pricing, whole)
        elif strategy.zero == 2 and strategy.replicas > 1:
            ends = _scattered(shape, strategy, prices, pricing, whole)
        elif gathers_ahead(strategy, stack) or reduces_beside(strategy, stack):
            ends = _pipelined(shape, shape_passes(shape, strategy, prices, pricing, whole))
        else:
            if undivided is None:
                undivided = _pipelined(shape, shape_passes(shape, strategy, prices, pricing, whole))
            ends = undivided
        after = _after_reduction(strategy, own, workload, pricing)
        yield candidates, (ends + after).max(axis=1)


def _pipelined(shape: Shape, passes: Passes) -> Floats:
    """[n x ranks] seconds before which the reductions of a rank's gradient cannot end."""
    ranks = shape.ranks
    ends = last_backward_ends(shape.strategy.schedule, passes, shape.microbatches, ranks)
    return ends + np.maximum(passes.tail - passes.sent, 0.0)[:, :ranks]


def _sharded(shape: Shape, strategy: Strategy, prices: Prices, pricing: Pricing, whole: Whole) -> Floats:
    """[n x 1] the same where every pass gathers parameters: a microbatch starts when all is reduced.

    Exact where the last segment of the backward pass has parameters, as the reduction of their gradient is
    the last thing a microbatch does.
    """
    forward, backward, _ = whole
    blocks = shape.kinds[0]
    zero = np.zeros(len(shape.rows))
    down = split_pass(
        shape, strategy, prices, pricing, blocks=blocks, whole=forward[:, 0], backward=False, last=False
    )
    turn = run_segments(down, Ends(computed=zero, lane=zero))
    every = split_pass(
        shape, strategy, prices, pricing, blocks=blocks, whole=backward[:, 0], backward=True, last=False
    )
    final = split_pass(
        shape, strategy, prices, pricing, blocks=blocks, whole=backward[:, 0], backward=True, last=True
    )
    middle, last = run_segments(every, turn), run_segments(final, turn)
    before = shape.microbatches - 1
    busy = before * every.computed.sum(axis=1) + final.computed.sum(axis=1)
    busy += shape.microbatches * down.computed.sum(axis=1)
    ends: Floats = np.maximum(before * middle.lane + np.maximum(last.lane, last.computed), busy)[:, None]
    return ends


def _scattered(shape: Shape, strategy: Strategy, prices: Prices, pricing: Pricing, whole: Whole) -> Floats:
    """[n x 1] the same where every backward pass reduces its gradient and nothing waits for it.

    The lane of collectives is a queue that equal microbatches feed, so its end follows from what the first or
    the last of them puts in and all that comes after. Exact where each backward pass follows its forward one.
    """
    passes = shape_passes(shape, strategy, prices, pricing, whole)
    forward, backward, blocks = passes.forward[:, 0], whole[1][:, 0], shape.kinds[0]
    final, every = (
        split_pass(shape, strategy, prices, pricing, blocks=blocks, whole=backward, backward=True, last=last)
        for last in (True, False)
    )
    idle, count = np.zeros(len(shape.rows)), shape.microbatches
    begin = passes.head[:, 0] + passes.first[:, 0]
    first = run_segments(every, Ends(computed=begin, lane=idle))
    between = np.maximum(count - 2, 0)
    later = first.computed + between * (forward + every.computed.sum(axis=1)) + forward
    last = run_segments(final, Ends(computed=np.where(count > 1, later, begin), lane=idle))
    queue = first.lane + between * every.reduces.sum() + final.reduces.sum()
    ends: Floats = np.maximum(np.maximum(last.computed, last.lane), np.where(count > 1, queue, 0.0))
    return ends[:, None]


def _after_reduction(
    strategy: Strategy, parameters: list[float], workload: Workload, pricing: Pricing
) -> Floats:
    """[ranks] seconds of whatever follows the passes and their reductions, one after another."""
    stack = pricing.stack
    many = strategy.replicas > 1
    reduces = many and strategy.zero < 2 and not stack.gradient_overlap
    gathers = many and strategy.zero in {1, 2} and not stack.parameter_overlap

    def seconds(count: float) -> float:
        total = optimizer_time(count, workload, strategy, pricing) + stack.step_overhead
        total += reduce_time(count, strategy, pricing) if reduces else 0.0
        return total + (gather_time(count, strategy, pricing) if gathers else 0.0)

    distinct = {count: seconds(count) for count in set(parameters)}
    after = np.array([distinct[count] for count in parameters])
    after[[0, -1]] += tied_time(workload, strategy, pricing)
    return after
