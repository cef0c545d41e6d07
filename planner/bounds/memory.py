"""Bytes that every rank of every candidate needs: the moments of `simdl.memory.needs` for all at once."""

from collections.abc import Callable
from functools import partial

import numpy as np

from planner.bounds.orders import ShapeOrder, activation_bytes, alike_columns, grouped, transient_bytes
from planner.space.prices import Floats, Prices
from planner.space.shapes import Shape
from simdl.kernels.pricing import Pricing
from simdl.memory.context import context_bytes, copied_gradient
from simdl.memory.gradient_lifetime import HELD, comes_late, gradient_relief
from simdl.memory.needs import (
    gathered_bytes,
    kept_gradient,
    stashed_bytes,
    state_bytes,
    update_bytes,
    usable_memory,
)
from simdl.step.costs.block_cost import gathered_share
from simdl.step.costs.gradients import expert_group, share_shards
from simdl.step.costs.step_cost import shard_of
from simdl.step.strategy import Strategy
from workloads.workload import Workload

PerParameter = Callable[..., float]
"""[bytes] for an element under a strategy, of ``experts`` or of the rest."""


def memory_by_rank(
    shape: Shape,
    order: ShapeOrder,
    prices: Prices,
    workload: Workload,
    pricing: Pricing,
    *,
    merged: bool = False,
) -> Floats:
    """[candidates and cuts x ranks] bytes that every rank needs.

    ``merged``: of ranks that have the same for the whole step only one, which needs most beside it.
    """
    live = activation_bytes(shape, order, prices) + transient_bytes(shape, order, prices)
    after = np.zeros_like(live)
    if prices.tables.any():
        after = order.by_rank(shape.spread(prices.tables[shape.rows] @ shape.counts), shape.ranks)
        live = live + after
    lasting, setting = _lasting_bytes(shape, order, workload, pricing), shape.with_cuts(shape.variant)
    state = _paged_bytes(shape, order, workload, pricing) if workload.optimizer.paged else lasting[:0]
    update = _per_parameter(shape, order, partial(_update, workload=workload, pricing=pricing))
    if merged:
        first, place = alike_columns(np.concatenate([lasting, state, update]))
        live, after = (grouped(place).largest(each) for each in (live, after))
        lasting, state, update = lasting[:, first], state[:, first], update[:, first]
    need: Floats = live[shape.with_cuts(shape.lane)] + lasting[setting]
    if shape.ranks == 1:
        need += (_gathered_bytes(shape, prices, pricing) - _gradient_relief(shape, prices, pricing))[:, None]
    if update.any():
        need = np.maximum(need, after[shape.with_cuts(shape.lane)] + (lasting + update)[setting])
    if workload.optimizer.paged:
        usable = usable_memory(pricing.stack, pricing.cluster.device)
        need = np.maximum(need - state[setting], np.minimum(need, usable))
    return need


def _lasting_bytes(shape: Shape, order: ShapeOrder, workload: Workload, pricing: Pricing) -> Floats:
    """[variants and cuts x ranks] bytes of what lives for the step."""
    stashed = order.stashed(shape.ranks)
    stashed = stashed if any(stashed) else stashed[:1]
    contexts = [
        context_bytes(strategy, pricing) + copied_gradient(strategy, pricing) for strategy in shape.variants
    ]
    found = np.repeat(np.array(contexts), shape.cuts)[:, None]
    for parameters, experts in ((shape.parameters, False), (shape.experts, True)):
        if not parameters.any():
            continue
        held = order.by_rank(shape.spread(parameters @ shape.counts), shape.ranks)
        each = [
            [state + sum(stashed_bytes(1.0, versions, strategy, pricing).values()) for versions in stashed]
            for strategy in shape.variants
            for state in (sum(_state(strategy, workload, pricing, experts=experts).values()),)
        ]
        found = found + held * np.repeat(np.array(each), shape.cuts, axis=0)
    return np.broadcast_to(found, (len(found), shape.ranks))


def _state(strategy: Strategy, workload: Workload, pricing: Pricing, *, experts: bool) -> dict[str, float]:
    """[bytes] per element of what lives for the step, of experts or of the rest."""
    return state_bytes(1.0, strategy, workload, pricing, shards=_shards(strategy, experts=experts))


def _shards(strategy: Strategy, *, experts: bool) -> int:
    """Ranks that ZeRO divides experts over; 0 for those of the rest."""
    return share_shards(expert_group(shard_of(strategy)), strategy) if experts else 0


def _paged_bytes(shape: Shape, order: ShapeOrder, workload: Workload, pricing: Pricing) -> Floats:
    """[variants and cuts x ranks] bytes of optimizer state, which the host may hold."""

    def held(strategy: Strategy, *, experts: bool) -> float:
        return _state(strategy, workload, pricing, experts=experts)["optimizer"]

    return _per_parameter(shape, order, held)


def _update(strategy: Strategy, *, experts: bool, workload: Workload, pricing: Pricing) -> float:
    """[bytes] per element of what an update holds briefly."""
    shards = _shards(strategy, experts=experts)
    found: float = update_bytes(1.0, strategy, workload, pricing, shards=shards)
    return found


def _per_parameter(shape: Shape, order: ShapeOrder, each: PerParameter) -> Floats:
    """[variants and cuts x ranks] bytes of what has so many for an element, of experts or of the rest."""
    found = np.zeros((len(shape.variants) * shape.cuts, shape.ranks))
    for parameters, experts in ((shape.parameters, False), (shape.experts, True)):
        sizes = np.array([[each(one, experts=experts)] for one in shape.variants])
        if parameters.any() and sizes.any():
            held = order.by_rank(shape.spread(parameters @ shape.counts), shape.ranks)
            found = found + held * np.repeat(sizes, shape.cuts, axis=0)
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
