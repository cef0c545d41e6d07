"""What a step takes at least beside its passes: communication, the update, and what the software adds.

A transfer of a rank takes its whole time from the step where its compute stream has nothing to run beside it:
the reduction of the last segment, the gather that the first one waits for, whatever follows the passes. Any
other takes at least its footprint, whether it slows the computation beside it or runs while none is there.
A message that holds the compute stream slows no transfer and no transfer slows it, so what may run beside one
counts nothing: the last segment's reduction beside the gradient that the same pass sends back, and, on ranks
of several stages, all reductions but that one. The first gather of a pass waits in its lane for the reduction
of the pass before, or for the update; behind a pass that reduces nothing it is fetched ahead.
"""

from dataclasses import dataclass

import numpy as np

from planner.chains import Chain
from planner.orders import ShapeOrder
from planner.prices import Floats, Prices
from planner.shapes import Shape
from simdl.pipelines.outline import fresh_passes
from simdl.pipelines.passes import Phase
from simdl.pricing import Pricing
from simdl.segments import segment_parts, segment_reduce_time
from simdl.step_cost import copies_sum_time, gather_time, optimizer_time, reduce_time, tied_time
from simdl.strategy import Strategy
from workloads.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exposure:
    """Seconds by pipeline rank; [n x ranks] or [ranks].

    Attributes:
        after_passes: beside all passes of a rank, from its first one to the end of its step.
        after_back: from the end of the last pass of the rank's first stage, whose reductions run beside it.
        lane: from the start of a rank's last completing pass, if its collectives follow each other; what
            that pass takes is not in it.
        floor: [n] of all collectives of a step one after another, where every pass has some.
    """

    after_passes: Floats
    after_back: Floats
    lane: Floats
    floor: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reductions:
    """Of one kind of stage [s]: of all segments, of the last one, and the share of the first in the pass."""

    total: float
    last: float
    first_share: Floats | float


class _Variant:
    """One way of sharding a shape's candidates."""

    def __init__(self, shape: Shape, strategy: Strategy, prices: Prices, pricing: Pricing) -> None:
        stack = pricing.stack
        self.shape, self.strategy, self.prices, self.pricing = shape, strategy, prices, pricing
        self.footprint = stack.contention or 0.0
        many = strategy.replicas > 1
        self.scattered = strategy.zero >= 2 and strategy.shards > 1
        self.sharded = strategy.zero == 3 and strategy.shards > 1
        self.beside = self.scattered or (many and stack.gradient_overlap)
        self.ahead = strategy.zero in (1, 2) and strategy.shards > 1 and stack.parameter_overlap
        self.parameters = prices.parameters[shape.rows[0]]

    def reductions(self, kind: int, *, last: bool) -> _Reductions:
        """Of the backward pass of a kind of stage."""
        order = np.array(self.shape.kinds[kind][::-1])
        parts = segment_parts(self.parameters[order].tolist(), self.pricing, alone=self.scattered)
        sums = [float(sum(self.parameters[order][part].tolist())) for part in parts]
        times = {n: segment_reduce_time(n, self.strategy, self.pricing, last=last) for n in set(sums)}
        gradients = [phase for phase in Phase if phase is not Phase.FORWARD]
        device = np.sum([self.prices.phases[phase].device for phase in gradients], axis=0)
        first = device[self.shape.rows][:, order]
        total = first.sum(axis=1)
        share = first[:, parts[0]].sum(axis=1) / np.where(total > 0, total, 1.0)
        return _Reductions(total=sum(times[n] for n in sums), last=times[sums[-1]], first_share=share)

    def first_forward(self, seconds: Floats) -> Floats:
        """[n] before the first backward pass: gathers of parameters follow each other, and run beside it."""
        if not self.ahead:
            return seconds
        total, alone = self.gathers(int(self.shape.kind[0]))
        found: Floats = np.maximum(alone + seconds, total)
        return found

    def gathers(self, kind: int) -> tuple[float, float]:
        """[s] of all gathers of a forward pass of a kind of stage, and of the first."""
        order = np.array(self.shape.kinds[kind])
        parts = segment_parts(self.parameters[order].tolist(), self.pricing, alone=self.sharded)
        sums = [float(sum(self.parameters[order][part].tolist())) for part in parts]
        times = {n: gather_time(n, self.strategy, self.pricing) for n in set(sums)}
        return sum(times[n] for n in sums), times[sums[0]]


def estimate_exposure(
    shape: Shape,
    order: ShapeOrder,
    chain: Chain,
    strategy: Strategy,
    prices: Prices,
    workload: Workload,
    pricing: Pricing,
) -> Exposure:
    """What the candidates of one variant of a shape take beside their passes."""
    variant = _Variant(shape, strategy, prices, pricing)
    footprint = variant.footprint
    updates = shape.microbatches[:, None] if order.updates_often else 1
    update = updates * _update(variant, order, workload) + pricing.stack.step_overhead
    own, back, lane = np.zeros((3, len(shape.rows), shape.ranks))
    floor = np.zeros(len(shape.rows))
    if variant.beside:
        own, back, lane = _last_reductions(variant, order, chain)
        own, back = own * updates, back * updates
    if variant.scattered:
        before, after = _earlier_reductions(variant, order, chain)
        own, floor = own + before[:, None], floor + after + update[..., 0]
    if variant.sharded:
        total, alone = variant.gathers(0)
        fresh = np.array([fresh_passes(shape.strategy.schedule, n) for n in shape.microbatches.tolist()])
        own += (shape.microbatches * footprint * 2 * total + fresh * (1 - footprint) * alone)[:, None]
        floor += shape.microbatches * 2 * total
    elif variant.ahead:
        total, alone = variant.gathers(int(shape.kind[0]))
        own[:, order.placement.place[0]] += footprint * (total - alone) + alone
    return Exposure(after_passes=own + update, after_back=back + update, lane=lane + update, floor=floor)


def _last_reductions(variant: _Variant, order: ShapeOrder, chain: Chain) -> tuple[Floats, Floats, Floats]:
    """What passes that complete an update add: beside all passes, after the first stage, and on the lane."""
    shape, footprint = variant.shape, variant.footprint
    own, back, lane = np.zeros((3, len(shape.rows), shape.ranks))
    first = order.placement.first[0]
    found = {kind: variant.reductions(kind, last=True) for kind in set(shape.kind.tolist())}
    for rank in range(shape.ranks):
        stages = [found[int(shape.kind[stage])] for stage in order.placement.owned[rank]]
        mine = found[int(shape.kind[first[rank]])]
        bare = min(each.last for each in stages) if order.splits else mine.last
        every, total = sum(each.total for each in stages), mine.total
        if chain.blocking and len(stages) > 1:
            every = total = bare
        hidden = chain.returned[:, first[rank]] if chain.blocking and not order.splits else 0.0
        own[:, rank] = footprint * np.maximum(every - np.maximum(bare, hidden), 0.0)
        own[:, rank] += np.maximum(bare - hidden, 0.0)
        back[:, rank] = footprint * (total - bare) + bare
        alone = 0.0 if order.splits else chain.back[:, first[rank]]
        lane[:, rank] = mine.total + mine.first_share * alone
    return own, back, lane


def _earlier_reductions(variant: _Variant, order: ShapeOrder, chain: Chain) -> tuple[Floats, Floats]:
    """[n] what the reductions of every microbatch add beside the passes, and all until the update begins."""
    shape, footprint = variant.shape, variant.footprint
    before = np.zeros(len(shape.rows), dtype=np.int64) if order.updates_often else shape.microbatches - 1
    each, last = (variant.reductions(0, last=end) for end in (False, True))
    bare = each.last if variant.sharded else 0.0
    until: Floats = before * each.total + (shape.microbatches - before) * last.total
    if not variant.sharded:
        turn = chain.back[:, 0] * (1.0 if order.splits else each.first_share)
        until = until + variant.first_forward(chain.forward[:, 0]) + turn
    return (footprint * (each.total - bare) + bare) * before.astype(np.float64), until


def _update(variant: _Variant, order: ShapeOrder, workload: Workload) -> Floats:
    """[ranks] seconds of an update: whatever follows the passes and their reductions, one after another."""
    shape, strategy, pricing = variant.shape, variant.strategy, variant.pricing
    stack = pricing.stack
    counts = shape.counts(len(variant.parameters)) @ variant.parameters
    held = order.by_rank(counts[shape.kind], shape.ranks)

    def seconds(count: float) -> float:
        total = optimizer_time(count, workload, strategy, pricing)
        if strategy.replicas > 1 and not variant.beside:
            total += reduce_time(count, strategy, pricing)
        if strategy.zero in (1, 2) and strategy.shards > 1 and not stack.parameter_overlap:
            total += gather_time(count, strategy, pricing)
        return total

    distinct = {count: seconds(count) for count in set(held.tolist())}
    after = np.array(
        [
            distinct[count] + copies_sum_time(count, rank, strategy, pricing)
            for rank, count in enumerate(held.tolist())
        ]
    )
    after[[0, -1]] += tied_time(workload, strategy, pricing)
    return after
