"""What a step takes at least beside its passes: communication, the update, and what the software adds.

A transfer of a rank takes its whole time from the step where its compute stream has nothing to run beside it:
the reduction of the last segment, the gather that the first one waits for, whatever follows the passes. Any
other takes at least its footprint, whether it slows the computation beside it or runs while none is there.
A message that holds the compute stream slows no transfer and no transfer slows it, so what may run beside one
counts nothing: the last segment's reduction beside the gradient that the same pass sends back, and, on ranks
of several stages, all reductions but that one. The first gather of a pass waits in its lane for the reduction
of the pass before, or for the update; behind a pass that reduces nothing it is fetched ahead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from planner.bounds.chains import Chain
from planner.bounds.exchanges import Variants
from planner.bounds.orders import RankClasses, taken
from planner.bounds.variants import Segments, Variant
from planner.space.candidates import Integers
from planner.space.prices import Floats, Prices
from simdl.kernels.pricing import Pricing
from simdl.pipelines.outline import fresh_passes
from simdl.pipelines.passes import Phase
from simdl.step.costs.stage import pass_seconds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exposure:
    """Seconds by class of pipeline ranks; [candidates and cuts x classes].

    Attributes:
        after_passes: beside all passes of a rank, from its first one to the end of its step.
        after_back: from the end of the last pass of the rank's first stage, whose reductions run beside it.
        after_last: from the end of the last pass of the rank.
        lane: from the start of a rank's last completing pass, if its collectives follow each other; what
            that pass takes is not in it.
        late: [candidates and cuts x ranks] by which the first pass of every rank ends later, because stage
            after stage has waited for updated parameters; None where none waits.
        floor: [candidates and cuts] of all collectives of a step one after another, where passes have some.
        completions: what completing passes set off, where ranks hold several stages.
    """

    after_passes: Floats
    after_back: Floats
    after_last: Floats
    lane: Floats
    late: Floats | None
    floor: Floats
    completions: "Completions | None" = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Completions:
    """Seconds of the completing pass of each stage.

    Attributes:
        turns: [candidates and cuts x stages] until its first segment has run.
        reductions: [candidates and cuts x stages] of all that it reduces.
        update: [candidates and cuts x classes] of what follows all reductions of a rank.
    """

    turns: Floats
    reductions: Floats
    update: Floats


class _Beside:
    """What hides or exposes the messages of a shape's variants."""

    def __init__(
        self, variants: Variants, classes: RankClasses, chain: Chain, prices: Prices, pricing: Pricing
    ) -> None:
        shape = variants.shape
        self.shape, self.chain, self.prices, self.pricing = shape, chain, prices, pricing
        self.order, place = chain.order, chain.order.placement
        self.first, self.owned = place.first[0, classes.ranks], place.owned[classes.ranks]
        self.variants, self.each, self.which = variants, variants.each, variants.which
        self.footprint = pricing.stack.contention or 0.0
        self.lane, self.setting = shape.with_cuts(shape.lane), shape.with_cuts(shape.variant)
        self.microbatches = np.repeat(shape.microbatches[shape.lane], shape.choices)

    def spread(self, found: Floats, name: str = "") -> Floats:
        """[variants and cuts x stages] seconds of [variants x kinds]; 0 where a name is not true of them."""
        return self.shape.spread(np.where(self.which(name)[:, None], found, 0.0) if name else found)


def estimate_exposure(  # noqa: PLR0917 - what the bound is made of, in the order it is made
    ways: Variants, classes: RankClasses, chain: Chain, update: Floats, prices: Prices, pricing: Pricing
) -> Exposure:
    """What the candidates of a shape take beside their passes, sharded in these ways.

    ``update`` are [variants and cuts x ranks] seconds of whatever follows the passes and their reductions.
    """
    variants, shape = _Beside(ways, classes, chain, prices, pricing), ways.shape
    setting = variants.setting
    updates = variants.microbatches[:, None] if chain.order.updates_often else 1
    update = updates * update[:, classes.ranks][setting] + pricing.stack.step_overhead
    own, back, last, lane, floor = update, update, update, update, np.zeros(len(setting))
    completions = None
    if variants.which("beside").any():
        if chain.order.outline.plain and variants.owned.shape[1] > 1:
            completions = _completions(variants, update)
        beside, behind, bare, on_lane = _last_reductions(variants)
        own, back, lane = own + beside * updates, back + behind * updates, lane + on_lane
        last = last + bare
    scattered = np.repeat(variants.which("scattered"), shape.cuts)[setting]
    if scattered.any():
        before, until = _earlier_reductions(variants)
        own = own + before[:, None]
        floor = np.where(scattered, until + update[:, 0], 0.0)
    if variants.which("sharded").any():
        beside, until = _sharded_gathers(variants)
        own, floor = own + beside[:, None], floor + until
    if chain.order.updates_often and variants.which("beside").any():
        floor = np.maximum(floor, (_between_updates(variants) + update).max(axis=1))
    late = None
    if variants.which("ahead").any():
        late = _gathers_ahead(variants)
        total, first = (
            variants.spread(found, "ahead")[:, 0] for found in (ways.gathers.total, ways.gathers.first)
        )
        own = own.copy()
        opening = classes.which[chain.order.placement.place[0]]
        own[:, opening] += (variants.footprint * (total - first) + first)[setting]
    return Exposure(
        after_passes=own,
        after_back=back,
        after_last=last,
        lane=lane,
        late=late,
        floor=floor,
        completions=completions,
    )


def _between_updates(variants: _Beside) -> Floats:
    """[candidates and cuts x classes] what ranks send that update their weights after every microbatch.

    Parameters are gathered after an update, gradients reduced after that, and the next update waits for them.
    """
    total = variants.spread(variants.variants.last.total)
    total = total + variants.spread(variants.variants.gathers.total, "ahead")
    each = total[:, variants.owned].sum(axis=2)[variants.setting]
    found: Floats = variants.microbatches[:, None] * each
    return found


def _completions(variants: _Beside, update: Floats) -> Completions:
    """What the completing passes of a shape whose ranks complete stages early set off."""
    stages = np.arange(variants.shape.kind.shape[1])
    turns = _first_shares(variants, stages) * variants.chain.back[variants.lane]
    reductions = variants.spread(variants.variants.last.total)[variants.setting]
    return Completions(turns=turns, reductions=reductions, update=update)


def _gathers_ahead(variants: _Beside) -> Floats | None:
    """[candidates and cuts x ranks] by which gathers hold up first passes until that of each rank ends.

    The first gather of the first stage has nothing beside it. On every stage two are there ahead, and the
    others begin when the first segment has run, so that first and last segment alone are beside none.
    """
    first, gathers = variants.order.placement.first[0], variants.variants.gathers
    stages = np.arange(1 + first.max())
    total, alone, second = (
        variants.spread(each, "ahead")[:, stages] for each in (gathers.total, gathers.first, gathers.second)
    )
    inside = total - alone - second
    if not (inside > 0).any():
        return None
    edges = _shares(variants, stages, (Phase.FORWARD,), "ahead", lambda one: one.forward, last=True)
    within = taken(inside, variants.setting)
    longer = within + (edges - 1) * taken(variants.chain.forward[:, : len(stages)], variants.lane)
    longer = np.where(within > 0, np.maximum(longer, 0.0), 0.0)
    longer[:, 0] += alone[variants.setting, 0]
    late: Floats = np.cumsum(longer, axis=1)[:, first]
    return late


def _last_reductions(variants: _Beside) -> tuple[Floats, Floats, Floats, Floats]:
    """What passes that complete an update add: beside all, after the first stage, at the end, on the lane.

    [candidates and cuts x classes], or what broadcasts to it.
    """
    order, chain, footprint = variants.order, variants.chain, variants.footprint
    first, owned = variants.first, variants.owned
    sent = variants.variants.last
    totals, lasts = variants.spread(sent.total), variants.spread(sent.last)
    bare = _least_present(variants, lasts)[:, owned].min(axis=2) if order.splits else lasts[:, first]
    every, total, mine = totals[:, owned].sum(axis=2), totals[:, first], totals[:, first]
    if chain.blocking and owned.shape[1] > 1:
        every = total = bare
    setting = variants.setting
    back = (footprint * (total - bare) + bare)[setting]
    end = lasts[:, owned].min(axis=2)[setting]
    if chain.blocking and not order.splits:
        hidden = chain.returned[:, first][variants.lane]
        bare, every = bare[setting], every[setting]
        own = footprint * np.maximum(every - np.maximum(bare, hidden), 0.0) + np.maximum(bare - hidden, 0.0)
    else:
        own = (footprint * np.maximum(every - bare, 0.0) + bare)[setting]
    if order.splits:
        return own, back, end, mine[setting]
    turn = _first_shares(variants, first) * chain.back[:, first][variants.lane]
    return own, back, end, mine[setting] + turn


def _least_present(variants: _Beside, seconds: Floats) -> Floats:
    """[variants and cuts x stages] seconds, without end where a stage is empty."""
    shape = variants.shape
    held = np.where(shape.present[shape.kind], seconds.reshape(-1, *shape.kind.shape), np.inf)
    return held.reshape(seconds.shape)


def _first_shares(variants: _Beside, stages: Integers) -> Floats:
    """[candidates and cuts x stages] share of the first segment in the pass that completes gradients."""
    gradients = [phase for phase in Phase if phase is not Phase.FORWARD]
    return _shares(variants, stages, gradients, "beside", lambda one: one.backward)


def _shares(
    variants: _Beside,
    stages: Integers,
    phases: Sequence[Phase],
    name: str,
    segments: Callable[[Variant], Segments],
    *,
    last: bool = False,
) -> Floats:
    """[candidates and cuts x stages] share that the first segment has of a pass, and the last one if asked.

    Of variants of which a name is true, whose passes have these ``segments``; see
    :func:`simdl.step.lowering.segments.segment_ends`.
    """
    shape, prices, stack = variants.shape, variants.prices, variants.pricing.stack
    busy, host = (
        reduce(np.add, [getattr(prices.phases[phase], each)[shape.rows] for phase in phases])
        for each in ("busy", "host")
    )
    totals = busy @ shape.counts, host @ shape.counts
    whole = pass_seconds(totals[0], totals[1], stack)
    whole = np.where(whole > 0, whole, 1.0)
    kinds = shape.kind[:, stages].T
    found = [np.zeros((len(stages), len(whole) * shape.cuts))]
    numbers: dict[tuple[object, ...], int] = {}
    which = np.zeros(len(variants.each), dtype=np.int64)
    for number, variant in enumerate(variants.each):
        if not getattr(variant, name):
            continue
        if variant.key not in numbers:
            own = segments(variant)
            first, rest = ((busy @ part, host @ part) for part in map(shape.counted, (own.begins, own.ends)))
            shares = pass_seconds(first[0], first[1], stack) / whole
            if last:
                shares = shares + 1 - pass_seconds(totals[0] - rest[0], totals[1] - rest[1], stack) / whole
            found.append(shares.T[kinds].swapaxes(1, 2).reshape(len(stages), -1))
            numbers[variant.key] = len(numbers) + 1
        which[number] = numbers[variant.key]
    places = np.repeat(which[shape.variant], shape.choices) * found[0].shape[1] + variants.lane
    return taken(np.concatenate(found, axis=1).T, places)


def _earlier_reductions(variants: _Beside) -> tuple[Floats, Floats]:
    """What the reductions of every microbatch add beside the passes, and all until the update begins.

    [candidates and cuts]; where gradients are scattered there is one stage.
    """
    order, chain, footprint, setting = variants.order, variants.chain, variants.footprint, variants.setting
    before = 0 * variants.microbatches if order.updates_often else variants.microbatches - 1
    early, late = variants.variants.early, variants.variants.last
    each, alone, last = (
        variants.spread(found)[setting, 0] for found in (early.total, early.last, late.total)
    )
    sharded = np.repeat(variants.which("sharded"), variants.shape.cuts)[setting]
    bare = np.where(sharded, alone, 0.0)
    until = before * each + (variants.microbatches - before) * last
    turn = chain.back[:, 0][variants.lane]
    turn = turn if order.splits else turn * _first_shares(variants, np.zeros(1, dtype=np.int64))[:, 0]
    until = until + np.where(sharded, 0.0, _first_forward(variants) + turn)
    return (footprint * (each - bare) + bare) * before, until


def _first_forward(variants: _Beside) -> Floats:
    """[candidates and cuts] before the first backward pass: gathers follow each other, and run beside it."""
    seconds = variants.chain.forward[:, 0][variants.lane]
    gathers = variants.variants.gathers
    total, first = (
        variants.spread(found, "ahead")[variants.setting, 0] for found in (gathers.total, gathers.first)
    )
    longer: Floats = np.maximum(first + seconds, total)
    return longer


def _sharded_gathers(variants: _Beside) -> tuple[Floats, Floats]:
    """[candidates and cuts] what gathers of all passes add beside them, and how long all of them take."""
    shape, footprint, setting = variants.shape, variants.footprint, variants.setting
    gathers = variants.variants.gathers
    total, first = (variants.spread(found, "sharded")[setting, 0] for found in (gathers.total, gathers.first))
    counts, place = np.unique(variants.microbatches, return_inverse=True)
    fresh = np.array([fresh_passes(shape.strategy.schedule, count) for count in counts.tolist()])[place]
    beside = variants.microbatches * footprint * 2 * total + fresh * (1 - footprint) * first
    return beside, variants.microbatches * 2 * total
