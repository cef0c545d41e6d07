"""What follows the passes of a step: the update and what ranks exchange for it, of all shapes at once."""

from collections.abc import Sequence

import numpy as np

from planner.bounds.exchanges import Variants, gather_seconds, reduce_seconds, sharing_table
from planner.bounds.orders import ShapeOrder, alike_columns
from planner.space.candidates import Integers
from planner.space.prices import Floats
from simdl.kernels.pricing import Pricing
from simdl.step.costs.step_cost import tied_time
from simdl.step.costs.update import exchange_time, update_time
from workloads.amounts import as_number
from workloads.workload import Workload


def update_seconds(
    ways: Sequence[Variants], orders: Sequence[ShapeOrder], workload: Workload, pricing: Pricing
) -> list[Floats]:
    """Of every shape [variants and cuts x ranks] seconds of what follows the passes and their reductions."""
    held = [_held(variants, order) for variants, order in zip(ways, orders, strict=True)]
    strategies = [strategy for variants in ways for strategy in variants.shape.variants]
    widths = [
        plain.shape[1] for (plain, _, _), variants in zip(held, ways, strict=True) for _ in variants.each
    ]
    seconds = _seconds(ways, held, np.array(widths), workload, pricing)
    tied = np.broadcast_to(tied_time(workload, sharing_table(strategies), pricing), len(strategies))
    found, start, first = [], 0, 0
    for variants, order, (plain, experts, place) in zip(ways, orders, held, strict=True):
        shape, end, last = variants.shape, start + plain.size, first + len(plain)
        after = seconds[start:end].reshape(plain.shape)[:, place].reshape(-1, shape.cuts, shape.ranks)
        after[:, :, [0, -1]] += tied[first:last, None, None]
        if order.copies > 1:
            after += _copies(variants, plain[:, place], experts[:, place]).reshape(after.shape)
        found.append(after.reshape(-1, shape.ranks))
        start, first = end, last
    return found


def _held(variants: Variants, order: ShapeOrder) -> tuple[Floats, Floats, Integers]:
    """[variants x distinct ranks] elements that all replicas and that experts hold, and their places."""
    shape = variants.shape
    plain, experts = (
        order.by_rank(shape.spread(each @ shape.counts), shape.ranks).reshape(len(variants.each), -1)
        for each in (shape.parameters, shape.experts)
    )
    first, place = alike_columns(np.concatenate([plain, experts]))
    return plain[:, first], experts[:, first], place


def _seconds(
    ways: Sequence[Variants],
    held: Sequence[tuple[Floats, Floats, Integers]],
    widths: Integers,
    workload: Workload,
    pricing: Pricing,
) -> Floats:
    """[distinct ranks of all variants] seconds of the update and of what no pass has beside it."""
    strategies = [strategy for variants in ways for strategy in variants.shape.variants]
    sharing = sharing_table(strategies, widths)
    plain, experts = (np.concatenate([each[part].ravel() for each in held]) for part in (0, 1))
    owned = as_number(plain / sharing.shards + experts / sharing.expert_shards)
    found: Floats = np.asarray(update_time(owned, workload, pricing, tp=sharing.tp))
    if workload.optimizer.exchanges:
        parts = np.split(plain + experts, np.cumsum(widths)[:-1])
        times = [
            np.broadcast_to(exchange_time(as_number(part), strategy, workload, pricing), len(part))
            for strategy, part in zip(strategies, parts, strict=True)
        ]
        found = found + np.concatenate(times)
    each = [one for variants in ways for one in variants.each]
    behind = np.repeat([one.reduces and not one.beside for one in each], widths)
    if behind.any():
        found = found + np.where(behind, reduce_seconds(sharing, plain, experts, pricing), 0.0)
    fetched = np.repeat([one.fetches for one in each], widths)
    if fetched.any():
        found = found + np.where(fetched, gather_seconds(sharing, plain, experts, pricing), 0.0)
    return found


def _copies(variants: Variants, plain: Floats, experts: Floats) -> Floats:
    """[variants x cuts and ranks] seconds to add up gradients of stages that a schedule holds twice."""
    return np.array(
        [
            [
                variant.copies_seconds(one, other, rank % variants.shape.ranks)
                for rank, (one, other) in enumerate(zip(*held, strict=True))
            ]
            for variant, *held in zip(variants.each, plain.tolist(), experts.tolist(), strict=True)
        ]
    )
