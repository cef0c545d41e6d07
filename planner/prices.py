"""Prices of a space: every distinct shard priced once, as arrays over distinct blocks.

A row is one (tp, cp, sequence parallel, micro-batch, recomputation, pipelined); some thousand rows price a
space of some hundred thousand candidates, which gather them by index.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.space import RECOMPUTE, Integers, Space
from simdl.block_cost import BlockCost, block_costs
from simdl.pipelines.passes import Phase
from simdl.pricing import Pricing, Work
from simdl.sharding import Shard
from simdl.stage import host_time

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhasePrices:
    """One phase of a pass; arrays are [rows x distinct blocks].

    Attributes:
        busy: [s] the device is busy with one microbatch.
        device: [s] of that spent in kernels.
        host: [s] the host needs to launch it.
    """

    busy: Floats
    device: Floats
    host: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prices:
    """Costs of distinct blocks per row; arrays are [rows x distinct blocks].

    Attributes:
        row: [candidates] row of each candidate.
        phases: of a pass; recomputation belongs to the input gradient.
        sequence_parallel: [rows] 0 or 1.
        saved, transient, boundary: [bytes] as in :class:`simdl.block_cost.BlockCost`.
        parameters: elements of a rank before ZeRO.
    """

    row: Integers
    phases: Mapping[Phase, PhasePrices]
    sequence_parallel: Integers
    saved: Floats
    transient: Floats
    boundary: Floats
    parameters: Floats


def price_space(space: Space, pricing: Pricing) -> Prices:
    """Price every distinct shard of a space."""
    pipelined = (space.pp > 1).astype(np.int64)
    keys = (space.tp, space.cp, space.sequence_parallel, space.micro_batch, space.recompute, pipelined)
    first, row = _distinct(keys)
    table = [
        _block_prices(cost, pricing)
        for index in first
        for cost in block_costs(pricing, _shard(space, index), RECOMPUTE[space.recompute[index]])
    ]
    names = ("saved", "transient", "boundary", "parameters")
    width = len(names) + 3 * len(Phase)
    columns = np.array(table, dtype=np.float64).reshape(len(first), -1, width)
    values = {name: columns[:, :, index] for index, name in enumerate(names)}
    phases = {
        phase: PhasePrices(
            busy=columns[:, :, place], device=columns[:, :, place + 1], host=columns[:, :, place + 2]
        )
        for phase, place in zip(Phase, range(len(names), width, 3), strict=True)
    }
    return Prices(row=row, phases=phases, sequence_parallel=space.sequence_parallel[first], **values)


def _distinct(keys: tuple[Integers, ...]) -> tuple[Integers, Integers]:
    """First place of every distinct tuple of keys, and which distinct tuple stands at each place."""
    code = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        code = code * (int(key.max(initial=0)) + 1) + key
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    return first, inverse


def _shard(space: Space, index: int) -> Shard:
    return Shard(
        tp=int(space.tp[index]),
        cp=int(space.cp[index]),
        sequence_parallel=bool(space.sequence_parallel[index]),
        micro_batch=int(space.micro_batch[index]),
        pipelined=bool(space.pp[index] > 1),
    )


def _block_prices(cost: BlockCost, pricing: Pricing) -> tuple[float, ...]:
    works: tuple[Work, ...] = (cost.forward, cost.input_gradient + cost.recompute, cost.weight_gradient)
    return (
        cost.saved,
        cost.transient,
        cost.boundary,
        cost.parameters,
        *(seconds for work in works for seconds in (work.busy, work.device, host_time(work, pricing.stack))),
    )
