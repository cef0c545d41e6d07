"""Prices of a space: every distinct shard priced once, as arrays over distinct blocks.

A row is one (tp, cp, sequence parallel, micro-batch, recomputation, pipelined); some thousand rows price a
space of some hundred thousand candidates, which gather them by index.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.space import RECOMPUTE, Integers, Space
from simdl.block_cost import BlockCost, block_costs
from simdl.pricing import Pricing, Work
from simdl.sharding import Shard
from simdl.stage import host_time

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prices:
    """Costs of distinct blocks per row; arrays are [rows x distinct blocks].

    Attributes:
        row: [candidates] row of each candidate.
        forward, backward: [s] the device is busy with one microbatch (backward with recomputation).
        forward_device, backward_device: [s] of that spent in kernels, which the segments of a pass share by.
        forward_host, backward_host: [s] the host needs to launch it.
        sequence_parallel: [rows] 0 or 1.
        saved, transient, boundary: [bytes] as in :class:`simdl.block_cost.BlockCost`.
        parameters: elements of a rank before ZeRO.
    """

    row: Integers
    forward: Floats
    backward: Floats
    forward_device: Floats
    backward_device: Floats
    forward_host: Floats
    backward_host: Floats
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
    times = ("forward", "backward", "forward_device", "backward_device", "forward_host", "backward_host")
    names = (*times, "saved", "transient", "boundary", "parameters")
    columns = np.array(table, dtype=np.float64).reshape(len(first), -1, len(names))
    sequence = space.sequence_parallel[first]
    values = {name: columns[:, :, index] for index, name in enumerate(names)}
    return Prices(row=row, sequence_parallel=sequence, **values)


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
    backward: Work = cost.backward + cost.recompute
    return (
        cost.forward.busy,
        backward.busy,
        cost.forward.device,
        backward.device,
        host_time(cost.forward, pricing.stack),
        host_time(backward, pricing.stack),
        cost.saved,
        cost.transient,
        cost.boundary,
        cost.parameters,
    )
