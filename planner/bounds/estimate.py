"""Bounds: for every candidate at once, seconds its simulated step takes at least and bytes that it needs.

A relaxation of the lowered program (:mod:`planner.bounds.chains`): streams without an order, equal
microbatches folded. On every pipeline rank

    bound = way of a microbatch to its first pass + all its passes + what is certainly exposed after them

or, from its last pass that sends a gradient back, the way of that gradient to the first stage. At most L
activations of a stage live together, so microbatch i + L cannot start there before i has come back: round
trips are a second bound. Sharing and contention only add time. A transfer takes at least its footprint of the
compute stream beside it, because what it does not take it waits idle for.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from planner.bounds.chains import EntrySeconds, build_chain
from planner.bounds.ends import Ends
from planner.bounds.exchanges import shape_variants
from planner.bounds.exposure import estimate_exposure
from planner.bounds.memory import memory_by_rank
from planner.bounds.orders import (
    ShapeOrder,
    rank_classes,
    shape_orders,
)
from planner.bounds.paths import path_ends
from planner.bounds.updates import update_seconds
from planner.bounds.work import work_times
from planner.space.candidates import Integers, Space, single_space
from planner.space.prices import Floats, Prices, price_space
from planner.space.shapes import Shape, enumerate_shapes
from simdl.collector import collector_paused
from simdl.errors import StrategyError
from simdl.kernels.pricing import Pricing
from simdl.memory.needs import (
    usable_memory,
)
from simdl.step.costs.saved_blocks import saves
from simdl.step.cuts.automatic_cut import least_time, step_cost
from simdl.step.cuts.cut_set import cut_set
from simdl.step.cuts.stage_cut import Cut
from simdl.step.lowering.inputs import least_input_time
from simdl.step.strategy import Strategy, problems, refused
from workloads.workload import Workload

Flags = NDArray[np.bool_]
FAR, NEAR = 1.15, 1.1
"""Memory, and the close bounds of what fits, are found together where coarse bounds lie so far apart."""


Look = Callable[[Integers], tuple[Floats, Callable[[Flags], Floats]]]
"""Of some candidates the memory [bytes], and what finds the seconds of those of which something is true."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bounds:
    """What is known of every candidate of a space without simulating it.

    Every candidate has a bound by the work of its ranks alone. Memory and the close bound are found for those
    that are asked for, and of a ranking for as few as decide it.

    Attributes:
        inputs: [s] that the input pipeline takes at least.
        work: [s] that training takes at least, because its busiest rank works so long.
        usable: [bytes] of a device.
        look: finds memory, and seconds that training takes at least.
    """

    inputs: Floats
    work: Floats
    usable: float
    look: Look

    @cached_property
    def memory(self) -> Floats:
        """[bytes] that the worst rank of every candidate needs."""
        return self.memory_of(np.arange(len(self.work)))

    @cached_property
    def fits(self) -> Integers:
        """The candidates that fit in memory."""
        return np.flatnonzero(self.memory <= self.usable)

    @cached_property
    def _found(self) -> tuple[Floats, Floats, Integers, list[tuple[Integers, Callable[[Flags], Floats]]]]:
        """Memory and close bounds so far, in which look each candidate was, and the looks."""
        count = len(self.work)
        return np.full(count, np.nan), np.full(count, np.nan), np.full(count, -1), []

    def memory_of(self, candidates: Integers) -> Floats:
        """[bytes] that the worst rank of some candidates needs, found when first asked for."""
        memory, _, place, looks = self._found
        new = np.unique(candidates[place[candidates] < 0])
        if len(new):
            memory[new], seconds = self.look(new)
            place[new] = len(looks)
            looks.append((new, seconds))
        found: Floats = memory[candidates]
        return found

    def training_times(self, candidates: Integers) -> Floats:
        """[s] that training takes at least, the input pipeline aside, found when first asked for."""
        self.memory_of(candidates)
        _, times, place, looks = self._found
        new = np.unique(candidates[np.isnan(times[candidates])])
        for number in np.unique(place[new]).tolist():
            own, seconds = looks[number]
            wanted = np.isin(own, new)
            times[own[wanted]] = np.maximum(seconds(wanted), self.work[own[wanted]])
        found: Floats = times[candidates]
        return found

    def step_times(self, candidates: Integers) -> Floats:
        """[s] that the simulated steps of some candidates take at least."""
        return np.maximum(self.training_times(candidates), self.inputs[candidates])

    def known_times(self, candidates: Integers) -> Floats:
        """[s] that the simulated steps of some candidates take at least, by what has been found."""
        found: Floats = np.fmax(np.fmax(self.work, self._found[1]), self.inputs)[candidates]
        return found

    def undecided(self, candidates: Integers, limit: float) -> int:
        """How many of some candidates may fit and take less than a limit [s], by what has been found."""
        may_fit = ~(self._found[0][candidates] > self.usable)
        return int(np.count_nonzero(may_fit & (self.known_times(candidates) < limit)))

    def in_order(self, candidates: Integers) -> Iterator[tuple[int, float]]:
        """Those of some candidates that fit, with what their steps take at least, the least first."""
        coarse = self.known_times(candidates)
        order = np.argsort(coarse, kind="stable")
        coarse, ranked = coarse[order], candidates[order]
        waiting: list[tuple[float, float, int]] = []
        seen = done = 0
        fits = np.zeros(0, dtype=np.int64)  # places of those that do, as far as was seen
        while waiting or max(seen, 1) <= len(ranked):
            left = done < len(fits)
            if not left and seen < len(ranked) and (not waiting or coarse[seen] <= waiting[0][0]):
                first, seen = seen, int(np.searchsorted(coarse, FAR * coarse[seen], "right"))
                fit = self.memory_of(ranked[first:seen]) <= self.usable
                fits = np.append(fits, first + np.flatnonzero(fit))
            elif left and (not waiting or coarse[fits[done]] <= waiting[0][0]):
                first = done
                done = int(np.searchsorted(coarse[fits], NEAR * coarse[fits[done]], "right"))
                places = order[fits[first:done]]
                times = self.step_times(candidates[places]), self.training_times(candidates[places])
                for entry in zip(*(each.tolist() for each in (*times, places)), strict=True):
                    heappush(waiting, entry)
            elif waiting:
                seconds, _, place = heappop(waiting)
                yield int(candidates[place]), seconds
            else:
                return

    def nearest(self, candidates: Integers) -> int:
        """The one of some candidates that fit whose step takes least at least."""
        return next(self.in_order(candidates))[0]

    @cached_property
    def step_time(self) -> Floats:
        """[s] of all candidates, those that do not fit too."""
        return self.step_times(np.arange(len(self.memory)))


@collector_paused()
def estimate_bounds(space: Space, workload: Workload, pricing: Pricing, *, cut: Cut = ()) -> Bounds:
    """Bounds of all candidates of a space, over the cuts among which the automatic one is chosen.

    The time is the least of those that fit, or that of the cut which misses by least where none does.

    Args:
        space: the candidates.
        workload: what is computed.
        pricing: what prices it; of the cluster that the space was enumerated for.
        cut: blocks per stage of all candidates; () for the cuts that each may choose from.
    """
    usable = usable_memory(pricing.stack, pricing.cluster.device)
    if not len(space):
        none = np.zeros(0)
        return Bounds(inputs=none, work=none, usable=usable, look=lambda _: (none, lambda _: none))
    prices, cuts = price_space(space, pricing), partial(_cuts, pricing, cut)

    @collector_paused()
    def look(candidates: Integers) -> tuple[Floats, Callable[[Flags], Floats]]:
        own = replace(prices, row=prices.row[candidates])
        memory, shapes = np.empty(len(candidates)), []
        for shape in enumerate_shapes(space.only(candidates), own, pricing, cuts=cuts):
            order = shape_orders(shape)
            need = _memory(shape, order, prices, workload, pricing)
            memory[shape.candidates] = need.min(axis=1)
            shapes.append((shape, order, need))
        return memory, lambda wanted: _training(wanted, shapes, prices, workload, pricing)

    return Bounds(
        inputs=least_input_time(workload, pricing.cluster, space.dp, space.tp * space.cp),
        work=work_times(space, prices, pricing, cut=cut),
        usable=usable,
        look=look,
    )


def _cuts(pricing: Pricing, cut: Cut, _schedule: str, ranks: int, virtual_stages: int) -> Sequence[Cut]:
    """The given cut, or all among which the automatic one is chosen."""
    return (cut,) if cut else cut_set(pricing.network, ranks * virtual_stages)


@collector_paused()
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
        paths = path_ends(shape, order, EntrySeconds(shape, order, prices, pricing), pricing)
        seconds = Ends(shape, classes, chain, paths).step_times(beside).reshape(-1, shape.choices)
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


def _memory(shape: Shape, order: ShapeOrder, prices: Prices, workload: Workload, pricing: Pricing) -> Floats:
    """[candidates x cuts] bytes of the worst rank."""
    need: Floats = memory_by_rank(shape, order, prices, workload, pricing, merged=True).max(axis=1)
    return need.reshape(-1, shape.choices)
