"""Bounds: for every candidate at once, seconds its simulated step takes at least and bytes that it needs.

A relaxation of the lowered program (:mod:`planner.bounds.chains`): streams without an order, equal
microbatches folded. On every pipeline rank

    bound = way of a microbatch to its first pass + all its passes + what is certainly exposed after them

or, from its last pass that sends a gradient back, the way of that gradient to the first stage. At most L
activations of a stage live together, so microbatch i + L cannot start there before i has come back: round
trips are a second bound. Sharing and contention only add time. A transfer takes at least its footprint of the
compute stream beside it, because what it does not take it waits idle for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from planner.bounds.chains import Chain, build_chain
from planner.bounds.exchanges import shape_variants
from planner.bounds.exposure import Exposure, estimate_exposure
from planner.bounds.orders import (
    RankClasses,
    ShapeOrder,
    activation_bytes,
    rank_classes,
    shape_orders,
    stage_lags,
    transient_bytes,
)
from planner.bounds.paths import path_ends
from planner.bounds.updates import update_seconds
from planner.space.candidates import Integers, Space, single_space
from planner.space.prices import Floats, Prices, price_space
from planner.space.shapes import Shape, enumerate_shapes
from simdl.errors import StrategyError
from simdl.kernels.pricing import Pricing
from simdl.memory.gradient_lifetime import HELD, comes_late, gradient_relief
from simdl.memory.needs import gathered_bytes, kept_gradient, stashed_bytes, state_bytes, usable_memory
from simdl.step.costs.block_cost import gathered_share
from simdl.step.costs.cycles import cycle_ends
from simdl.step.costs.gradients import expert_group, share_shards
from simdl.step.costs.saved_blocks import saves
from simdl.step.costs.step_cost import shard_of
from simdl.step.cuts.automatic_cut import least_time, step_cost
from simdl.step.lowering.inputs import least_input_time
from simdl.step.strategy import Strategy, problems, refused
from workloads.workload import Workload

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bounds:
    """What is known of every candidate of a space without simulating it.

    Attributes:
        memory: [bytes] that the worst rank needs.
        worst_rank: pipeline rank that needs them.
        inputs: [s] that the input pipeline takes at least.
        seconds: finds [s] that training takes at least, of those candidates of which something is true.
    """

    memory: Floats
    worst_rank: Integers
    inputs: Floats
    seconds: Callable[[Flags], Floats]

    @cached_property
    def _known(self) -> Floats:
        return np.full(len(self.memory), np.nan)

    def training_times(self, candidates: Integers) -> Floats:
        """[s] that training takes at least, the input pipeline aside."""
        wanted = np.zeros(len(self.memory), dtype=np.bool_)
        wanted[candidates] = np.isnan(self._known[candidates])
        if wanted.any():
            self._known[wanted] = self.seconds(wanted)
        found: Floats = self._known[candidates]
        return found

    def step_times(self, candidates: Integers) -> Floats:
        """[s] that the simulated steps of some candidates take at least, found when first asked for."""
        return np.maximum(self.training_times(candidates), self.inputs[candidates])

    @cached_property
    def step_time(self) -> Floats:
        """[s] of all candidates, those that do not fit too."""
        return self.step_times(np.arange(len(self.memory)))


def estimate_bounds(
    space: Space, workload: Workload, pricing: Pricing, *, cut: tuple[int, ...] = ()
) -> Bounds:
    """Bounds of all candidates of a space, over the cuts among which the automatic one is chosen.

    The time is the least of those that fit, or that of the cut which misses by least where none does. What
    does not fit is asked for its time only when somebody wants to know.

    Args:
        space: the candidates.
        workload: what is computed.
        pricing: what prices it; of the cluster that the space was enumerated for.
        cut: blocks per stage of all candidates; () for the cuts that each may choose from.
    """
    count = len(space)
    if not count:
        none = np.zeros(0)
        return Bounds(
            memory=none, worst_rank=np.zeros(0, dtype=np.int64), inputs=none, seconds=lambda _: none
        )
    usable = usable_memory(pricing.stack, pricing.cluster.device)
    memory, worst = np.empty(count), np.empty(count, dtype=np.int64)
    prices = price_space(space, pricing)
    shapes = []
    for shape in enumerate_shapes(space, prices, pricing, cut=cut):
        order = shape_orders(shape)
        need, rank = _memory(shape, order, prices, workload, pricing)
        nearest = np.arange(len(need)), need.argmin(axis=1)
        memory[shape.candidates], worst[shape.candidates] = need[nearest], rank[nearest]
        shapes.append((shape, order, need))
    bounds = Bounds(
        memory=memory,
        worst_rank=worst,
        inputs=least_input_time(workload, pricing.cluster, space.dp, space.tp * space.cp),
        seconds=lambda wanted: _training(wanted, shapes, prices, workload, pricing),
    )
    bounds.step_times(np.flatnonzero(memory <= usable))
    return bounds


def _training(
    wanted: Flags,
    shapes: Sequence[tuple[Shape, ShapeOrder, Floats]],
    prices: Prices,
    workload: Workload,
    pricing: Pricing,
) -> Floats:
    """[wanted candidates] seconds that training takes at least, by shape, its orders and memory by cut."""
    usable = usable_memory(pricing.stack, pricing.cluster.device)
    found = np.empty(len(wanted))
    timed, orders, needs = [], [], []
    for shape, order, need in shapes:
        kept = wanted[shape.candidates]
        if kept.any():
            only, lanes = shape.only(kept)
            timed.append(only)
            orders.append(order.of_lanes(lanes))
            needs.append(need[kept])
    ways = shape_variants(timed, pricing)
    updates = update_seconds(ways, orders, workload, pricing)
    for shape, order, need, variants, update in zip(timed, orders, needs, ways, updates, strict=True):
        chain = build_chain(shape, order, prices, pricing)
        classes = rank_classes(shape, order, chain.hops)
        beside = estimate_exposure(variants, classes, chain, update, prices, pricing)
        paths = path_ends(shape, order, prices, pricing)
        seconds = _Ends(shape, classes, chain, paths).step_times(beside).reshape(-1, shape.choices)
        allowed = need <= np.maximum(need.min(axis=1, keepdims=True), usable)
        found[shape.candidates] = np.where(allowed, seconds, np.inf).min(axis=1)
    return found[wanted]


def estimate_bound(strategy: Strategy, workload: Workload, pricing: Pricing) -> float:
    """[s] that the simulated step of one strategy takes at least, with its own cut if it has one.

    Raises:
        StrategyError: the strategy cannot be carried out, as :func:`simdl.step.simulate.simulate` would say.
    """
    reasons = (*problems(strategy, workload, pricing.cluster), *refused(strategy, pricing.stack))
    if reasons:
        raise StrategyError(reasons)
    if strategy.split_degree > 1 or saves(
        strategy
    ):  # priced block by block rather than as a row of the space
        return least_time(step_cost(workload, strategy, pricing))
    bounds = estimate_bounds(single_space(strategy, workload), workload, pricing, cut=strategy.stages)
    return float(bounds.step_time[0])


def _memory(
    shape: Shape, order: ShapeOrder, prices: Prices, workload: Workload, pricing: Pricing
) -> tuple[Floats, Integers]:
    """[candidates x cuts] bytes of the worst rank, and which that is."""
    live = activation_bytes(shape, order, prices) + transient_bytes(shape, order, prices)
    if prices.tables.any():
        live = live + order.by_rank(shape.spread(prices.tables[shape.rows] @ shape.counts()), shape.ranks)
    lasting = _lasting_bytes(shape, order, workload, pricing)
    need = live[shape.with_cuts(shape.lane)] + lasting[shape.with_cuts(shape.variant)]
    if shape.ranks == 1:
        need += (_gathered_bytes(shape, prices, pricing) - _gradient_relief(shape, prices, pricing))[:, None]
    if workload.optimizer.paged:
        state = _paged_bytes(shape, order, workload, pricing)[shape.with_cuts(shape.variant)]
        need = np.maximum(
            need - state, np.minimum(need, usable_memory(pricing.stack, pricing.cluster.device))
        )
    worst = need.argmax(axis=1)
    return need[np.arange(len(need)), worst].reshape(-1, shape.choices), worst.reshape(-1, shape.choices)


def _lasting_bytes(shape: Shape, order: ShapeOrder, workload: Workload, pricing: Pricing) -> Floats:
    """[variants and cuts x ranks] bytes of what lives for the step."""
    stashed = order.stashed(shape.ranks)
    found = np.full((len(shape.variants) * shape.cuts, shape.ranks), pricing.stack.memory_context)
    for parameters, experts in ((shape.parameters, False), (shape.experts, True)):
        if not parameters.any():
            continue
        held = order.by_rank(shape.spread(parameters @ shape.counts()), shape.ranks)
        each = []
        for strategy in shape.variants:
            state = sum(_state(strategy, workload, pricing, experts=experts).values())
            each.append(
                [
                    state + sum(stashed_bytes(1.0, versions, strategy, pricing).values())
                    for versions in stashed
                ]
                if any(stashed)
                else [state] * len(stashed)
            )
        found = found + held * np.repeat(np.array(each), shape.cuts, axis=0)
    return found


def _state(strategy: Strategy, workload: Workload, pricing: Pricing, *, experts: bool) -> dict[str, float]:
    """[bytes] per element of what lives for the step, of experts or of the rest."""
    shards = share_shards(expert_group(shard_of(strategy)), strategy) if experts else 0
    return state_bytes(1.0, strategy, workload, pricing, shards=shards)


def _paged_bytes(shape: Shape, order: ShapeOrder, workload: Workload, pricing: Pricing) -> Floats:
    """[variants and cuts x ranks] bytes of optimizer state, which the host may hold."""
    found = np.zeros((len(shape.variants) * shape.cuts, shape.ranks))
    for parameters, experts in ((shape.parameters, False), (shape.experts, True)):
        if parameters.any():
            held = order.by_rank(shape.spread(parameters @ shape.counts()), shape.ranks)
            each = [_state(one, workload, pricing, experts=experts)["optimizer"] for one in shape.variants]
            found = found + held * np.repeat(np.array(each)[:, None], shape.cuts, axis=0)
    return found


def _gathered_bytes(shape: Shape, prices: Prices, pricing: Pricing) -> Floats:
    """[candidates and cuts] bytes that ZeRO holds in full beside the rest, where there is one stage."""
    blocks = np.array(shape.kinds[0])
    found = np.zeros(len(shape.candidates))
    for number, strategy in enumerate(shape.variants):
        members = np.flatnonzero(shape.variant == number)
        if strategy.zero >= 2 and strategy.shards_state:
            saved = prices.saved[shape.rows[shape.lane[members]]][:, blocks]
            expert_shards = share_shards(expert_group(shard_of(strategy)), strategy)
            sizes = shape.parameters[number] * (strategy.shards > 1)
            sizes = sizes + shape.experts[number] * (expert_shards > 1)
            sizes = sizes * [gathered_share(block, pricing.stack) for block in pricing.network.blocks]
            found[members] = gathered_bytes(sizes[blocks], saved, strategy, pricing)
    return np.repeat(found, shape.choices)


def _gradient_relief(shape: Shape, prices: Prices, pricing: Pricing) -> Floats:
    """[candidates and cuts] bytes less where gradients come late, where there is one stage."""
    found = np.zeros(len(shape.candidates))
    lifetime = pricing.stack.gradients
    if lifetime == HELD or len(shape.kinds) > 1 or shape.strategy.virtual_stages > 1:
        return np.repeat(found, shape.cuts)
    blocks = np.array(shape.kinds[0])
    for number, strategy in enumerate(shape.variants):
        alone = shape.microbatches[shape.lane] == 1
        members = np.flatnonzero((shape.variant == number) & alone & comes_late(strategy, 1))
        rows = shape.rows[shape.lane[members]]
        held = (shape.parameters[number] + shape.experts[number])[blocks]
        gradients = np.tile(held * kept_gradient(1.0, strategy, pricing), (len(members), 1))
        brief, kept = prices.transient[rows][:, blocks], prices.saved[rows][:, blocks]
        found[members] = gradient_relief(
            brief, kept, gradients, pricing.network, tp=strategy.tp, lifetime=lifetime
        )
    return np.repeat(found, shape.cuts)


class _Ends:
    """When ranks are done with their passes at the earliest; what does not hang on how a variant shards."""

    def __init__(self, shape: Shape, classes: RankClasses, chain: Chain, paths: Floats | None) -> None:
        ranks, order = shape.ranks, chain.order
        each = np.repeat(shape.microbatches, shape.cuts)[:, None] / order.copies
        sent = chain.forward + chain.back + chain.outbound
        self._order, self._chain, self._lane = order, chain, shape.with_cuts(shape.lane)
        self._classes = classes
        self._first, self._lags = order.placement.first, stage_lags(shape)
        self._flight = order.in_flight()
        heads = np.min([chain.head[:, stages] for stages in self._first], axis=0)
        self._head = heads if order.synchronised else np.zeros_like(heads)
        self._back = np.maximum(self._worked(each, sent), self._round_trips(each))
        self._busy = self._head + each * chain.by_rank(sent + chain.rest, ranks)
        last = np.min([chain.last[:, stages] for stages in self._first], axis=0)
        self._before_last = self._busy - last
        self._sent, self._paths = self._transfers(each), paths

    def _worked(self, each: Floats, sent: Floats) -> Floats:
        """[lanes and cuts x ranks] ends of passes by the work of a rank from the first pass of a stage on.

        What later stages of the rank do comes after that pass, and the last gradient is one of theirs.
        """
        chain, owned = self._chain, self._order.placement.owned
        own = sent[:, owned]
        held = chain.returned[:, owned].max(axis=2) if chain.blocking else 0.0
        if not self._order.synchronised or self._order.copies > 1 or owned.shape[1] == 1:
            found: Floats = self._head + each * own.sum(axis=2) - held
            return found
        later = each[:, :, None] * np.cumsum(own[:, :, ::-1], axis=2)[:, :, ::-1]
        ends = chain.head[:, owned] + later + chain.drain[:, owned]
        found = ends.max(axis=2) - chain.drain[:, self._first[0]]
        return found - held

    def _round_trips(self, each: Floats) -> Floats:
        """[lanes and cuts x ranks] ends of passes by round trips of a rank's first stage to the last one."""
        chain, first = self._chain, self._first[0]
        if not self._order.synchronised or self._order.copies > 1:
            return np.zeros((len(chain.forward), len(first)))
        flight = np.maximum(self._flight, 1)
        found: Floats = chain.head[:, first] + np.ceil(each / flight) * chain.beyond[:, first]
        for apart, members in self._lags:
            rows = (part[members] for part in (chain.forward, chain.back, chain.sent, chain.head, each[:, 0]))
            found[members] = np.maximum(found[members], cycle_ends(apart, *rows)[:, first])
        return found

    def _transfers(self, each: Floats) -> Floats:
        """[lanes and cuts] end of the first stage's passes if transfers of one boundary follow each other."""
        chain = self._chain
        if not self._order.synchronised or self._order.copies > 1 or chain.sent.shape[1] == 1:
            return np.zeros(len(each))
        before = (chain.head + chain.forward + chain.back + chain.drain)[:, :-1]
        found: Floats = (before + (each + 1) * chain.sent[:, :-1] + chain.beyond[:, 1:]).max(axis=1)
        return found

    def step_times(self, beside: Exposure) -> Floats:
        """[candidates and cuts] seconds that a step takes at least."""
        lane, largest = self._lane, self._classes.largest
        ends = np.maximum(
            largest(self._busy)[lane] + beside.after_passes, largest(self._before_last)[lane] + beside.lane
        )
        if self._order.synchronised and self._order.copies == 1:
            ends = np.maximum(ends, largest(self._drained(self._back))[lane] + beside.after_back)
            first, chain = self._classes.first, self._chain
            back = self._sent[lane]
            if beside.late is not None:
                ways = (self._back + chain.drain[:, self._first[0]])[lane] + beside.late
                back = np.maximum(back, ways.max(axis=1))
            ends[:, first] = np.maximum(ends[:, first], back + beside.after_back[:, first])
        if self._paths is not None:
            ends = np.maximum(ends, largest(self._paths)[lane] + beside.after_last)
        found: Floats = np.maximum(ends.max(axis=1), beside.floor)
        return found

    def _drained(self, ends: Floats) -> Floats:
        """[lanes and cuts x ranks] ends of each rank's last gradient given those of later stages."""
        first = self._first[0]
        drain, order = self._chain.drain[:, first], np.argsort(first)
        found = np.empty_like(ends)
        found[:, order] = np.maximum.accumulate((ends + drain)[:, order][:, ::-1], axis=1)[:, ::-1]
        return found - drain
