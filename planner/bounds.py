"""Bounds: for every candidate at once, seconds its simulated step takes at least and bytes that it needs.

A relaxation of the lowered program (:mod:`planner.chains`): streams without an order, equal microbatches
folded. On every pipeline rank

    bound = way of a microbatch to its first pass + all its passes + what is certainly exposed after them

or, from its last pass that sends a gradient back, the way of that gradient to the first stage. At most L
activations of a stage live together, so microbatch i + L cannot start there before i has come back: round
trips are a second bound. Sharing and contention only add time. A transfer takes at least its footprint of the
compute stream beside it, because what it does not take it waits idle for.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from planner.chains import Chain, build_chain
from planner.exposure import Exposure, estimate_exposure
from planner.orders import ShapeOrder, activation_bytes, shape_orders, transient_bytes
from planner.prices import Floats, Prices, price_space
from planner.shapes import Shape, enumerate_shapes
from planner.space import Integers, Space, single_space
from simdl.automatic_cut import least_time, step_cost
from simdl.errors import StrategyError
from simdl.memory import gathered_bytes, stashed_bytes, state_bytes, usable_memory
from simdl.pricing import Pricing
from simdl.strategy import Strategy, problems, refused
from workloads.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bounds:
    """What is known of every candidate of a space without simulating it.

    Attributes:
        step_time: [s] that the simulated step takes at least.
        memory: [bytes] that the worst rank needs.
        worst_rank: pipeline rank that needs them.
    """

    step_time: Floats
    memory: Floats
    worst_rank: Integers


def estimate_bounds(
    space: Space, workload: Workload, pricing: Pricing, *, cut: tuple[int, ...] = ()
) -> Bounds:
    """Bounds of all candidates of a space, over the cuts among which the automatic one is chosen.

    The time is the least of those that fit, or that of the one which misses by least.

    Args:
        space: the candidates.
        workload: what is computed.
        pricing: what prices it; of the cluster that the space was enumerated for.
        cut: blocks per stage of all candidates; () for the cuts that each may choose from.
    """
    count = len(space)
    if not count:
        return Bounds(step_time=np.zeros(0), memory=np.zeros(0), worst_rank=np.zeros(0, dtype=np.int64))
    usable = usable_memory(pricing.stack, pricing.cluster.device)
    fitting, nearest, memory = np.full(count, np.inf), np.full(count, np.inf), np.full(count, np.inf)
    worst = np.zeros(count, dtype=np.int64)
    prices = price_space(space, pricing)
    for shape in enumerate_shapes(space, prices, pricing, cut=cut):
        for candidates, seconds, need in _bounds(shape, prices, workload, pricing):
            most = need.max(axis=1)
            fits = np.where(most <= usable, seconds, np.inf)
            fitting[candidates] = np.minimum(fitting[candidates], fits)
            less = most < memory[candidates]
            nearer = candidates[less]
            memory[nearer], nearest[nearer] = most[less], seconds[less]
            worst[nearer] = need.argmax(axis=1)[less]
    return Bounds(step_time=np.where(np.isfinite(fitting), fitting, nearest), memory=memory, worst_rank=worst)


def estimate_bound(strategy: Strategy, workload: Workload, pricing: Pricing) -> float:
    """[s] that the simulated step of one strategy takes at least, with its own cut if it has one.

    Raises:
        StrategyError: the strategy cannot be carried out, as :func:`simdl.simulate.simulate` would say.
    """
    reasons = (*problems(strategy, workload, pricing.cluster), *refused(strategy, pricing.stack))
    if reasons:
        raise StrategyError(reasons)
    if strategy.split_degree > 1:  # priced layer by layer rather than as a row of the space
        return least_time(step_cost(workload, strategy, pricing))
    bounds = estimate_bounds(single_space(strategy, workload), workload, pricing, cut=strategy.stages)
    return float(bounds.step_time[0])


def _bounds(
    shape: Shape, prices: Prices, workload: Workload, pricing: Pricing
) -> Iterator[tuple[Integers, Floats, Floats]]:
    """Candidates, the seconds that their steps take at least and the bytes of every rank, by variant."""
    order = shape_orders(shape)
    chain = build_chain(shape, order, prices, pricing)
    live = activation_bytes(shape, order, prices) + transient_bytes(shape, order, prices)
    ends = _Ends(shape, order, chain)
    for strategy, candidates in shape.variants:
        beside = estimate_exposure(shape, order, chain, strategy, prices, workload, pricing)
        lasting = _lasting_bytes(shape, order, strategy, prices, workload, pricing)
        yield candidates, ends.step_times(beside), live + lasting


def _lasting_bytes(
    shape: Shape,
    order: ShapeOrder,
    strategy: Strategy,
    prices: Prices,
    workload: Workload,
    pricing: Pricing,
) -> Floats:
    """[n x ranks] bytes of what lives for the step, and of what ZeRO holds in full beside it."""
    counts = shape.counts(prices.parameters.shape[1]) @ prices.parameters[shape.rows[0]]
    held = order.by_rank(counts[shape.kind], shape.ranks)
    state = state_bytes(held, strategy, workload, pricing)
    lasting = np.sum(list(state.values()), axis=0) + pricing.stack.memory_context
    for rank, stashed in enumerate(order.stashed(shape.ranks)):
        lasting[rank] += sum(stashed_bytes(float(held[rank]), stashed, strategy, pricing).values())
    blocks = np.array(shape.kinds[0])  # where ZeRO shards blocks there is one stage
    parameters, saved = prices.parameters[shape.rows[0]][blocks], prices.saved[shape.rows][:, blocks]
    found: Floats = lasting + gathered_bytes(parameters, saved, strategy, pricing)[:, None]
    return found


class _Ends:
    """When ranks are done with their passes at the earliest; what does not hang on how a variant shards."""

    def __init__(self, shape: Shape, order: ShapeOrder, chain: Chain) -> None:
        ranks = shape.ranks
        each = shape.microbatches[:, None] / order.copies
        sent = chain.forward + chain.back + chain.outbound
        self._order, self._chain = order, chain
        self._first = order.placement.first
        self._flight = order.in_flight(len(shape.rows))
        heads = np.min([chain.head[:, stages] for stages in self._first], axis=0)
        self._head = heads if order.synchronised else np.zeros_like(heads)
        held = chain.returned[:, self._first[0]] if chain.blocking else 0.0
        self._back = np.maximum(
            self._head + each * chain.by_rank(sent, ranks) - held, self._round_trips(each)
        )
        self._busy = self._head + each * chain.by_rank(sent + chain.rest, ranks)
        last = np.min([chain.last[:, stages] for stages in self._first], axis=0)
        self._before_last = self._busy - last
        self._sent = self._transfers(each)

    def _round_trips(self, each: Floats) -> Floats:
        """[n x ranks] ends of a rank's passes from round trips of its first stage to the last one and back."""
        chain, first = self._chain, self._first[0]
        if not self._order.synchronised or self._order.copies > 1:
            return np.zeros((len(chain.forward), len(first)))
        way = chain.forward + chain.back + 2 * chain.sent
        beyond = np.cumsum(way[:, ::-1], axis=1)[:, ::-1]
        flight = np.maximum(self._flight, 1)
        found: Floats = chain.head[:, first] + np.ceil(each / flight) * beyond[:, first]
        return found

    def _transfers(self, each: Floats) -> Floats:
        """[n] end of the first stage's passes if the transfers of one boundary follow each other."""
        chain = self._chain
        if not self._order.synchronised or self._order.copies > 1 or chain.sent.shape[1] == 1:
            return np.zeros(len(each))
        way = chain.forward + chain.back + 2 * chain.sent
        beyond = np.cumsum(way[:, ::-1], axis=1)[:, ::-1][:, 1:]
        before = (chain.head + chain.forward + chain.back + chain.drain)[:, :-1]
        found: Floats = (before + (each + 1) * chain.sent[:, :-1] + beyond).max(axis=1)
        return found

    def step_times(self, beside: Exposure) -> Floats:
        """[n] seconds that a step takes at least."""
        ends = np.maximum(self._busy + beside.after_passes, self._before_last + beside.lane)
        if self._order.synchronised and self._order.copies == 1:
            ends = np.maximum(ends, self._drained(self._back) + beside.after_back)
            first = self._order.placement.place[0]
            ends[:, first] = np.maximum(ends[:, first], self._sent + beside.after_back[:, first])
        found: Floats = np.maximum(ends.max(axis=1), beside.floor)
        return found

    def _drained(self, ends: Floats) -> Floats:
        """[n x ranks] ends of the last gradient of each rank given later stages', which have yet to travel."""
        first = self._first[0]
        drain, order = self._chain.drain[:, first], np.argsort(first)
        found = np.empty_like(ends)
        found[:, order] = np.maximum.accumulate((ends + drain)[:, order][:, ::-1], axis=1)[:, ::-1]
        return found - drain
