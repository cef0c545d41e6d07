"""Prices of a space: every distinct shard priced once, as arrays over distinct blocks.

A row is one (tp, cp, sequence parallel, micro-batch, recomputation, pipelined); some thousand rows price a
space of some hundred thousand candidates, which gather them by index.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planner.space.candidates import RECOMPUTE, Integers, Space, distinct, used
from simdl.communication import Hop
from simdl.kernels.pricing import Pricing, Work
from simdl.kernels.sharding import ShardTable
from simdl.pipelines.passes import Phase
from simdl.step.costs.block_cost import BlockCost, price_blocks
from simdl.step.costs.stage import host_time
from simdl.step.costs.step_cost import transfer_time
from simdl.step.strategy import Strategy
from workloads.amounts import as_number

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
        tp: [rows] tensor-parallel degree.
        sequence_parallel: [rows] 0 or 1.
        saved, transient, boundary: [bytes] as in :class:`simdl.step.costs.block_cost.BlockCost`.
        parameters: elements of a rank before ZeRO.
        experts: those of them that belong to experts.
        tables: [bytes] of embedding tables, which have no gradient.
        transfers: what :func:`transfer_seconds` has found, by hop and shard: of which rows, and seconds.
    """

    row: Integers
    phases: Mapping[Phase, PhasePrices]
    tp: Integers
    sequence_parallel: Integers
    saved: Floats
    transient: Floats
    boundary: Floats
    parameters: Floats
    tables: Floats
    experts: Floats
    transfers: dict[tuple[Hop, int, int], tuple[Integers, Floats]] = field(default_factory=dict)


def price_space(space: Space, pricing: Pricing) -> Prices:
    """Price every distinct shard of a space, all of them at once per way of recomputation."""
    pipelined = (space.pp > 1).astype(np.int64)
    degrees = (
        space.tp,
        space.cp,
        space.ep,
        space.expert_tensor,
        space.sequence_parallel,
        space.micro_batch,
        pipelined,
    )
    first, shard = distinct(degrees)
    modes, mode = used(space.recompute, len(RECOMPUTE))
    tp, cp, ep, etp, sequence, micro_batch, piped = (degree[first] for degree in degrees)
    table = ShardTable(
        tp=as_number(tp),
        cp=as_number(cp),
        ep=as_number(ep),
        etp=as_number(etp),
        sequence_parallel=as_number(sequence > 0),
        micro_batch=as_number(micro_batch),
        pipelined=as_number(piped > 0),
    )
    width = 6 + 3 * len(Phase)
    columns = np.empty((width, len(modes) * len(first), len(pricing.network.blocks)))
    for place, each in enumerate(modes.tolist()):
        rows = slice(place * len(first), (place + 1) * len(first))
        for block, cost in enumerate(price_blocks(pricing, table, RECOMPUTE[each])):
            for column, amount in zip(columns, _block_prices(cost, pricing), strict=True):
                column[rows, block] = amount
    phases = {
        phase: PhasePrices(busy=columns[place], device=columns[place + 1], host=columns[place + 2])
        for phase, place in zip(Phase, range(6, width, 3), strict=True)
    }
    return Prices(
        row=mode * len(first) + shard,
        phases=phases,
        tp=np.tile(tp, len(modes)),
        sequence_parallel=np.tile(sequence, len(modes)),
        saved=columns[0],
        transient=columns[1],
        boundary=columns[2],
        parameters=columns[3],
        tables=columns[4],
        experts=columns[5],
    )


def transfer_seconds(hop: Hop, rows: Integers, prices: Prices, pricing: Pricing) -> Floats:
    """[rows x distinct blocks] seconds to send the output of a block over a hop to the next stage."""
    found = np.empty((len(rows), prices.boundary.shape[1]))
    tp, sequence = prices.tp[rows], prices.sequence_parallel[rows]
    for pair in {*zip(tp.tolist(), sequence.tolist(), strict=True)}:
        if (hop, *pair) not in prices.transfers:
            alike = np.flatnonzero((prices.tp == pair[0]) & (prices.sequence_parallel == pair[1]))
            strategy = Strategy(tp=pair[0], sequence_parallel=bool(pair[1]))
            time = transfer_time(as_number(prices.boundary[alike]), hop, strategy, pricing)
            prices.transfers[hop, *pair] = alike, np.asarray(time)
        priced, seconds = prices.transfers[hop, *pair]
        own = (tp == pair[0]) & (sequence == pair[1])
        found[own] = seconds[np.searchsorted(priced, rows[own])]
    return found


def _block_prices(cost: BlockCost, pricing: Pricing) -> tuple[float, ...]:
    works: tuple[Work, ...] = (cost.forward, cost.input_gradient + cost.recompute, cost.weight_gradient)
    return (
        cost.saved,
        cost.transient,
        cost.boundary,
        cost.parameters,
        cost.tables,
        cost.experts,
        *(seconds for work in works for seconds in (work.busy, work.device, host_time(work, pricing.stack))),
    )
