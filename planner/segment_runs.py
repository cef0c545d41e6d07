"""Segments as arrays: when the computation and the collectives of a split pass end.

The recurrence of the lowered schedule (:mod:`simdl.lowering`): segment k waits for its gather, the gather
of segment k for the end of segment k - 2, a reduction for the end of its segment, and collectives for one
another.
"""

from dataclasses import dataclass

import numpy as np

from planner.prices import Floats, Prices
from planner.shapes import Blocks, Shape
from planner.space import Integers
from simdl.block_cost import block_tensors
from simdl.gradients import gradient_bytes
from simdl.lowering import PREFETCH
from simdl.pricing import Pricing
from simdl.segments import buckets
from simdl.step_cost import gather_time, reduce_time
from simdl.strategy import Strategy


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segments:
    """A split pass of one kind of stage.

    Attributes:
        computed: [n x segments] seconds of each segment.
        gathers: [segments] seconds of the parameter gather that each waits for.
        reduces: [segments] seconds of the gradient reduction that each sets off.
    """

    computed: Floats
    gathers: Floats
    reduces: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ends:
    """[n] seconds at which the computation and the collectives of a pass end."""

    computed: Floats
    lane: Floats


def split_pass(
    shape: Shape,
    strategy: Strategy,
    prices: Prices,
    pricing: Pricing,
    *,
    blocks: Blocks,
    whole: Floats,
    backward: bool,
    last: bool,
) -> Segments:
    """One pass over the blocks of a stage, which takes ``whole`` [n] alone, in segments."""
    sharded = strategy.zero == 3
    alone = sharded or (backward and strategy.zero == 2)
    order = np.array(blocks[::-1] if backward else blocks)
    parameters = prices.parameters[shape.rows[0]][order]
    parts = buckets(gradient_bytes(parameters, pricing).tolist(), 0.0 if alone else pricing.stack.bucket)
    sums = [(float(sum(parameters[part].tolist())), _tensors(order[part], pricing)) for part in parts]
    sizes = set(sums)  # equal blocks fill equal segments
    gather = {
        (n, count): gather_time(n, strategy, pricing) if sharded or not backward else 0.0
        for n, count in sizes
    }
    reduce = {
        (n, count): reduce_time(n, strategy, pricing, copies=last, tensors=count) if backward else 0.0
        for n, count in sizes
    }
    gathers = np.array([gather[size] for size in sums])
    reduces = np.array([reduce[size] for size in sums])
    device = (prices.backward_device if backward else prices.forward_device)[shape.rows][:, order]
    beside = np.minimum(gathers.sum() + reduces.sum(), whole)
    slowed = whole + pricing.stack.contention * beside
    return Segments(computed=_shares(device, parts) * slowed[:, None], gathers=gathers, reduces=reduces)


def _tensors(blocks: Integers, pricing: Pricing) -> int:
    """Variables of some blocks, where no bucket joins them."""
    if pricing.stack.bucket:
        return 1
    return sum(block_tensors(pricing.network.blocks[index]) for index in blocks)


def run_segments(segments: Segments, start: Ends, *, fetched: int = 0) -> Ends:
    """When a pass ends that may start computing and communicating at ``start``.

    Args:
        segments: the pass.
        start: when computation and collectives before it end.
        fetched: leading segments whose parameters are there already.
    """
    lane, ended = start.lane, [start.computed]
    count = len(segments.gathers)
    for index in range(count):
        ready = ended[-1]
        if index >= fetched and segments.gathers[index] > 0:
            held = ended[index + 1 - PREFETCH] if index >= PREFETCH else lane
            lane = np.maximum(lane, held) + segments.gathers[index]
            ready = np.maximum(ready, lane)
        if index >= PREFETCH:
            lane = _reduced(lane, ended[index + 1 - PREFETCH], segments.reduces[index - PREFETCH])
        ended.append(ready + segments.computed[:, index])
    for index in range(max(0, count - PREFETCH), count):
        lane = _reduced(lane, ended[index + 1], segments.reduces[index])
    return Ends(computed=ended[-1], lane=lane)


def _reduced(lane: Floats, after: Floats, seconds: float) -> Floats:
    return np.maximum(lane, after) + seconds if seconds > 0 else lane


def _shares(device: Floats, parts: list[slice]) -> Floats:
    """[n x segments] part of the pass that each segment takes."""
    segments = np.add.reduceat(device, [part.start for part in parts], axis=1)
    total = segments.sum(axis=1, keepdims=True)
    return np.where(total > 0, segments / np.where(total > 0, total, 1.0), 1 / len(parts))
