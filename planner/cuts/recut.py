"""Uneven cuts: the stage partition of a strategy, solved for its own block times and memory."""

from dataclasses import replace
from itertools import groupby

from planner.cuts.stage_partition import solve_stage_partition
from planner.cuts.stage_program import Row
from planner.errors import InfeasibleError, SolverError
from simdl.kernels.pricing import Pricing
from simdl.memory.context import context_bytes
from simdl.memory.needs import resident_bytes, usable_memory
from simdl.pipelines import in_flight
from simdl.step.costs.block_cost import BlockCost, block_costs
from simdl.step.costs.stage import block_time
from simdl.step.costs.step_cost import shard_of
from simdl.step.strategy import Strategy
from workloads.workload import Workload


def recut(strategy: Strategy, workload: Workload, pricing: Pricing) -> Strategy | None:
    """The strategy with the cut whose slowest stage is fastest; None where none fits or the solver gives up.

    Room for what is live only while a block runs is kept for the largest block on every rank.
    """
    costs = block_costs(pricing, shard_of(strategy), strategy.recompute)
    blocks = workload.network.blocks
    live = _live_microbatches(strategy, workload)
    rows = [
        Row(
            name=f"{blocks[index].name} of row {number}" if workload.network.order else blocks[index].name,
            count=len(list(run)),
            time=block_time(costs[index], pricing.stack),
            nbytes=tuple(_block_bytes(costs[index], held, strategy, workload, pricing) for held in live),
        )
        for number, (index, run) in enumerate(groupby(workload.network.places))
    ]
    brief = max(cost.transient for cost in costs) + context_bytes(strategy, pricing)
    room = [usable_memory(pricing.stack, pricing.cluster.device) - brief] * strategy.pp
    try:
        cut = solve_stage_partition(rows, room, virtual_stages=strategy.virtual_stages)
    except (InfeasibleError, SolverError):
        return None
    return replace(strategy, stages=cut)


def _live_microbatches(strategy: Strategy, workload: Workload) -> list[int]:
    """Per virtual stage the microbatches whose activations are live together."""
    ranks = in_flight(
        strategy.schedule, strategy.pp, strategy.microbatches(workload.global_batch), strategy.virtual_stages
    )
    live = {stage: held for rank in ranks for stage, held in rank.items()}
    return [live[stage] for stage in sorted(live)]


def _block_bytes(
    cost: BlockCost, live: int, strategy: Strategy, workload: Workload, pricing: Pricing
) -> float:
    """[bytes] that a block takes on a stage with so many live microbatches."""
    return resident_bytes(cost.parameters, strategy, workload, pricing) + live * cost.saved
