"""What a step takes at least beside its passes: communication, the update, and what the software adds.

A transfer of a rank takes its whole time from the step where its compute stream has nothing to run beside it:
the reduction of the last segment, the gather that the first one waits for, whatever follows the passes. Any
other takes at least its footprint, whether it slows the computation beside it or runs while none is there.
A message that holds the compute stream slows no transfer and no transfer slows it, so what may run beside one
counts nothing: the last segment's reduction beside the gradient that the same pass sends back, and, on ranks
of several stages, all reductions but that one. The first gather of a pass waits in its lane for the reduction
of the pass before, or for the update; behind a pass that reduces nothing it is fetched ahead.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.bounds.chains import Chain
from planner.bounds.orders import ShapeOrder
from planner.bounds.variants import Messages, Segments, Variant
from planner.space.candidates import Integers
from planner.space.prices import Floats, Prices
from planner.space.shapes import Shape
from simdl.kernels.pricing import Pricing
from simdl.pipelines.outline import fresh_passes
from simdl.pipelines.passes import Phase
from simdl.step.costs.step_cost import tied_time
from simdl.step.costs.update import exchange_time, update_time
from workloads.amounts import as_number
from workloads.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exposure:
    """Seconds by pipeline rank; [candidates and cuts x ranks].

    Attributes:
        after_passes: beside all passes of a rank, from its first one to the end of its step.
        after_back: from the end of the last pass of the rank's first stage, whose reductions run beside it.
        lane: from the start of a rank's last completing pass, if its collectives follow each other; what
            that pass takes is not in it.
        floor: [candidates and cuts] of all collectives of a step one after another, where passes have some.
    """

    after_passes: Floats
    after_back: Floats
    lane: Floats
    floor: Floats


class _Variants:
    """All ways of sharding a shape's candidates."""

    def __init__(
        self, shape: Shape, order: ShapeOrder, chain: Chain, prices: Prices, pricing: Pricing
    ) -> None:
        self.shape, self.order, self.chain, self.prices, self.pricing = shape, order, chain, prices, pricing
        segments: dict[tuple[object, ...], Segments] = {}
        self.each = [Variant(shape, number, pricing, segments) for number in range(len(shape.variants))]
        self.footprint = pricing.stack.contention or 0.0
        self.lane, self.setting = shape.with_cuts(shape.lane), shape.with_cuts(shape.variant)
        self.microbatches = np.repeat(shape.microbatches[shape.lane], shape.cuts)

    def which(self, name: str) -> NDArray[np.bool_]:
        """[variants] those of which something is true."""
        return np.array([getattr(each, name) for each in self.each])

    def spread(self, found: Sequence[Messages | None], name: str) -> Floats:
        """[variants and cuts x stages] seconds of some messages, 0 where there are none."""
        nothing = np.zeros(len(self.shape.kinds))
        return self.shape.spread(np.array([getattr(each, name) if each else nothing for each in found]))


def estimate_exposure(  # noqa: PLR0917 - what the bound is made of, in the order it is made
    shape: Shape, order: ShapeOrder, chain: Chain, prices: Prices, workload: Workload, pricing: Pricing
) -> Exposure:
    """What the candidates of a shape take beside their passes."""
    variants = _Variants(shape, order, chain, prices, pricing)
    setting = variants.setting
    updates = variants.microbatches[:, None] if order.updates_often else 1
    update = updates * _update(variants, workload)[setting] + pricing.stack.step_overhead
    own, back, lane, floor = update, update, update, np.zeros(len(setting))
    if variants.which("beside").any():
        beside, behind, on_lane = _last_reductions(variants)
        own, back, lane = own + beside * updates, back + behind * updates, lane + on_lane
    scattered = np.repeat(variants.which("scattered"), shape.cuts)[setting]
    if scattered.any():
        before, until = _earlier_reductions(variants)
        own = own + before[:, None]
        floor = np.where(scattered, until + update[:, 0], 0.0)
    if variants.which("sharded").any():
        beside, until = _sharded_gathers(variants)
        own, floor = own + beside[:, None], floor + until
    if variants.which("ahead").any():
        found = [each.gathers() if each.ahead else None for each in variants.each]
        total, first = (variants.spread(found, name)[:, 0] for name in ("total", "first"))
        own = own.copy()
        own[:, order.placement.place[0]] += (variants.footprint * (total - first) + first)[setting]
    return Exposure(after_passes=own, after_back=back, lane=lane, floor=floor)


def _last_reductions(variants: _Variants) -> tuple[Floats, Floats, Floats]:
    """What passes that complete an update add: beside all passes, after the first stage, and on the lane.

    [candidates and cuts x ranks], or what broadcasts to it.
    """
    order, chain, footprint = variants.order, variants.chain, variants.footprint
    first, owned = order.placement.first[0], order.placement.owned
    found = [each.reductions(last=True) if each.beside else None for each in variants.each]
    totals, lasts = (variants.spread(found, name) for name in ("total", "last"))
    bare = lasts[:, owned].min(axis=2) if order.splits else lasts[:, first]
    every, total, mine = totals[:, owned].sum(axis=2), totals[:, first], totals[:, first]
    if chain.blocking and owned.shape[1] > 1:
        every = total = bare
    setting = variants.setting
    back = (footprint * (total - bare) + bare)[setting]
    if chain.blocking and not order.splits:
        hidden = chain.returned[:, first][variants.lane]
        bare, every = bare[setting], every[setting]
        own = footprint * np.maximum(every - np.maximum(bare, hidden), 0.0) + np.maximum(bare - hidden, 0.0)
    else:
        own = (footprint * np.maximum(every - bare, 0.0) + bare)[setting]
    if order.splits:
        return own, back, mine[setting]
    turn = _first_shares(variants)[:, first] * chain.back[:, first][variants.lane]
    return own, back, mine[setting] + turn


def _first_shares(variants: _Variants) -> Floats:
    """[candidates and cuts x stages] share of the first segment in the pass that completes the gradients."""
    shape, prices = variants.shape, variants.prices
    gradients = [phase for phase in Phase if phase is not Phase.FORWARD]
    device = np.sum([prices.phases[phase].device[shape.rows] for phase in gradients], axis=0)
    total = device @ shape.counts()
    total = np.where(total > 0, total, 1.0)
    shares = np.zeros((len(shape.candidates), shape.kind.shape[1] * shape.cuts))
    found: dict[tuple[object, ...], Floats] = {}
    for number, variant in enumerate(variants.each):
        if not variant.beside:
            continue
        key = variant.key
        if key not in found:
            begins = [device[:, list(blocks)].sum(axis=1) for blocks in variant.backward.begins]
            found[key] = (np.stack(begins, axis=1) / total)[:, shape.kind.ravel()]
        members = shape.variant == number
        shares[members] = found[key][shape.lane[members]]
    return shares.reshape(-1, shape.kind.shape[1])


def _earlier_reductions(variants: _Variants) -> tuple[Floats, Floats]:
    """What the reductions of every microbatch add beside the passes, and all until the update begins.

    [candidates and cuts]; where gradients are scattered there is one stage.
    """
    order, chain, footprint, setting = variants.order, variants.chain, variants.footprint, variants.setting
    before = 0 * variants.microbatches if order.updates_often else variants.microbatches - 1
    early, late = (
        [each.reductions(last=last) if each.scattered else None for each in variants.each]
        for last in (False, True)
    )
    each, alone = (variants.spread(early, name)[setting, 0] for name in ("total", "last"))
    last = variants.spread(late, "total")[setting, 0]
    sharded = np.repeat(variants.which("sharded"), variants.shape.cuts)[setting]
    bare = np.where(sharded, alone, 0.0)
    until = before * each + (variants.microbatches - before) * last
    turn = chain.back[:, 0][variants.lane]
    turn = turn if order.splits else turn * _first_shares(variants)[:, 0]
    until = until + np.where(sharded, 0.0, _first_forward(variants) + turn)
    return (footprint * (each - bare) + bare) * before, until


def _first_forward(variants: _Variants) -> Floats:
    """[candidates and cuts] before the first backward pass: gathers follow each other, and run beside it."""
    seconds = variants.chain.forward[:, 0][variants.lane]
    found = [each.gathers() if each.ahead else None for each in variants.each]
    total, first = (variants.spread(found, name)[variants.setting, 0] for name in ("total", "first"))
    longer: Floats = np.maximum(first + seconds, total)
    return longer


def _sharded_gathers(variants: _Variants) -> tuple[Floats, Floats]:
    """[candidates and cuts] what gathers of all passes add beside them, and how long all of them take."""
    shape, footprint, setting = variants.shape, variants.footprint, variants.setting
    found = [each.gathers() if each.sharded else None for each in variants.each]
    total, first = (variants.spread(found, name)[setting, 0] for name in ("total", "first"))
    counts, place = np.unique(variants.microbatches, return_inverse=True)
    fresh = np.array([fresh_passes(shape.strategy.schedule, count) for count in counts.tolist()])[place]
    beside = variants.microbatches * footprint * 2 * total + fresh * (1 - footprint) * first
    return beside, variants.microbatches * 2 * total


def _update(variants: _Variants, workload: Workload) -> Floats:
    """[variants and cuts x ranks] seconds of an update: whatever follows the passes and their reductions."""
    shape, pricing, count = variants.shape, variants.pricing, len(variants.shape.variants)
    plain, experts = (
        variants.order.by_rank(shape.spread(each @ shape.counts()), shape.ranks).reshape(count, -1)
        for each in (shape.parameters, shape.experts)
    )
    first, place = _alike(np.concatenate([plain, experts]))
    plain, experts = plain[:, first], experts[:, first]
    shards = np.array([[strategy.shards] for strategy in shape.variants])
    expert_shards = np.array([[variant.expert_shards()] for variant in variants.each])
    owned = as_number((plain / shards + experts / expert_shards).ravel())
    copies = np.array([[strategy.tp] for strategy in shape.variants])
    tp = as_number(np.broadcast_to(copies, plain.shape).ravel())
    seconds = np.reshape(update_time(owned, workload, pricing, tp=tp), plain.shape)
    for number, variant in enumerate(variants.each):
        strategy, held = variant.strategy, (plain[number], experts[number])
        seconds[number] += exchange_time(as_number(held[0] + held[1]), strategy, workload, pricing)
        if variant.reduces and not variant.beside:
            seconds[number] += variant.reduce_times(*held)
        if strategy.zero in (1, 2) and strategy.shards_state and not pricing.stack.parameter_overlap:
            seconds[number] += variant.gather_times(*held)
    after: Floats = seconds[:, place].reshape(-1, shape.cuts, shape.ranks)
    tied = {one.tp: tied_time(workload, one, pricing) for one in {s.tp: s for s in shape.variants}.values()}
    for number, variant in enumerate(variants.each):
        after[number, :, [0, -1]] += tied[variant.strategy.tp]
        if variants.order.copies > 1:
            held = plain[number, place].tolist(), experts[number, place].tolist()
            sums = [
                variant.copies_seconds(one, other, rank % shape.ranks)
                for rank, (one, other) in enumerate(zip(*held, strict=True))
            ]
            after[number] += np.reshape(sums, (-1, shape.ranks))
    return after.reshape(-1, shape.ranks)


def _alike(columns: Floats) -> tuple[Integers, Integers]:
    """First place of every distinct column, and which distinct column stands at each place."""
    keys = [column.tobytes() for column in np.ascontiguousarray(columns.T)]
    number = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    place = np.array([number[key] for key in keys])
    first = np.zeros(len(number), dtype=np.int64)
    first[place[::-1]] = np.arange(len(keys))[::-1]
    return first, place
