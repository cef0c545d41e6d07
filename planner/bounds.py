"""Bounds: for every candidate at once, seconds its simulated step takes at least and bytes that it needs.

    bound = max over ranks of (end of the last backward pass + reductions left + update + gather left)

Passes and collectives are priced by the functions that lower a step, and every term is the length of a path
through the lowered schedule, so the bound is admissible: no simulated step is shorter.
"""

from dataclasses import dataclass

import numpy as np

from planner.memory_bounds import memory_need
from planner.passes import Passes, shape_passes, whole_passes
from planner.pipeline_bounds import last_backward_ends
from planner.prices import Floats, Prices, price_space
from planner.segment_runs import Ends, run_segments, split_pass
from planner.shapes import Shape, enumerate_shapes
from planner.space import Integers, Space, single_space
from simdl.block_cost import Pricing
from simdl.step_cost import gather_time, optimizer_time, reduce_time, tied_time
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
        step_time[shape.candidates] = _step_time(shape, prices, workload, pricing)
        need = memory_need(shape, prices, workload, pricing)
        memory[shape.candidates] = need.max(axis=1)
        worst[shape.candidates] = need.argmax(axis=1)
    return Bounds(step_time=step_time, memory=memory, worst_rank=worst)


def estimate_bound(strategy: Strategy, workload: Workload, pricing: Pricing) -> float:
    """[s] that the simulated step of one strategy takes at least, with its own cut if it has one."""
    space = single_space(strategy, workload)
    prices = price_space(space, pricing)
    shapes = enumerate_shapes(space, prices, pricing, cut=strategy.stages)
    return float(_step_time(next(shapes), prices, workload, pricing)[0])


def _step_time(shape: Shape, prices: Prices, workload: Workload, pricing: Pricing) -> Floats:
    strategy = shape.strategy
    if strategy.zero == 3 and strategy.replicas > 1:
        ends = _sharded(shape, prices, pricing)
    else:
        ends = _pipelined(shape, shape_passes(shape, prices, pricing))
    parameters = (shape.counts(prices.parameters.shape[1]) @ prices.parameters[shape.rows[0]])[shape.kind]
    own = parameters.reshape(-1, shape.ranks).sum(axis=0).tolist()
    step_time: Floats = (ends + _after_reduction(shape, own, workload, pricing)).max(axis=1)
    return step_time


def _pipelined(shape: Shape, passes: Passes) -> Floats:
    """[n x ranks] seconds before which the reductions of a rank's gradient cannot end."""
    ranks = shape.ranks
    ends = last_backward_ends(shape.strategy.schedule, passes, shape.microbatches, ranks)
    return ends + np.maximum(passes.tail - passes.sent, 0.0)[:, :ranks]


def _sharded(shape: Shape, prices: Prices, pricing: Pricing) -> Floats:
    """[n x 1] the same where every pass gathers parameters: a microbatch starts when all is reduced.

    Exact where the last segment of the backward pass has parameters, as the reduction of their gradient is
    the last thing a microbatch does.
    """
    forward, backward = whole_passes(shape, prices, pricing)
    blocks = shape.kinds[0]
    zero = np.zeros(len(shape.rows))
    down = split_pass(shape, prices, pricing, blocks, forward[:, 0], backward=False, last=False)
    turn = run_segments(down, Ends(computed=zero, lane=zero))
    every = split_pass(shape, prices, pricing, blocks, backward[:, 0], backward=True, last=False)
    final = split_pass(shape, prices, pricing, blocks, backward[:, 0], backward=True, last=True)
    middle, last = run_segments(every, turn), run_segments(final, turn)
    before = shape.microbatches - 1
    busy = before * every.computed.sum(axis=1) + final.computed.sum(axis=1)
    busy += shape.microbatches * down.computed.sum(axis=1)
    ends: Floats = np.maximum(before * middle.lane + np.maximum(last.lane, last.computed), busy)[:, None]
    return ends


def _after_reduction(shape: Shape, parameters: list[float], workload: Workload, pricing: Pricing) -> Floats:
    """[ranks] seconds of whatever follows the passes and their reductions, one after another."""
    strategy, stack = shape.strategy, pricing.stack
    many = strategy.replicas > 1
    reduces = many and strategy.zero < 3 and not stack.gradient_overlap
    gathers = many and strategy.zero in {1, 2} and not stack.parameter_overlap

    def seconds(count: float) -> float:
        total = optimizer_time(count, workload, strategy, pricing) + stack.step_overhead
        total += reduce_time(count, strategy, pricing) if reduces else 0.0
        return total + (gather_time(count, strategy, pricing) if gathers else 0.0)

    distinct = {count: seconds(count) for count in set(parameters)}
    after = np.array([distinct[count] for count in parameters])
    after[[0, -1]] += tied_time(workload, strategy, pricing)
    return after
