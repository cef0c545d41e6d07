"""Memory of the host: what a plan of savers leaves there, and what it still needs of the device for that."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from hardware.cluster import find_host
from hardware.units import format_quantity
from simdl.pipelines import peaks
from simdl.pipelines.steps import order_length
from simdl.step.costs.host import (
    fetched_parameters,
    hosted_shares,
    kept_words,
    owned,
    sent_gradients,
    streams_gradients,
)
from simdl.step.costs.stage import StageCost
from simdl.step.costs.stage_items import stage_items
from simdl.step.costs.step_cost import StepCost


def host_buffers(stages: Sequence[StageCost], step: StepCost) -> float:
    """[bytes] of a device that parameters and gradients pass through: those of two items in a row."""
    strategy, pricing = step.strategy, step.pricing
    largest = 0.0
    for stage in stages:
        items = stage_items(stage)
        sizes = [
            fetched_parameters(blocks, strategy, pricing)
            + (sent_gradients(blocks, strategy, pricing) if streams_gradients(strategy) else 0.0)
            for blocks in items
        ]
        largest = max([largest, *(a + b for a, b in pairwise([0.0, *(size for size in sizes if size)]))])
    return largest


def host_memory_by_rank(step: StepCost) -> list[float]:
    """[bytes] in host memory for one rank of every pipeline rank."""
    strategy = step.strategy
    length = order_length(step.pipeline, strategy.pp, step.microbatches)
    found = peaks(strategy.schedule, strategy.pp, length, strategy.virtual_stages)
    sizes = [sum(block.offloaded for block in stage.blocks) for stage in step.stages]
    return [peak.largest(sizes) + _state(step, rank) for rank, peak in enumerate(found)]


def _state(step: StepCost, rank: int) -> float:
    """[bytes] of parameters and what belongs to them."""
    blocks = [block for stage in step.rank_stages(rank) for block in stage.blocks]
    held = owned(hosted_shares(blocks, "optimizer"), step.strategy) * kept_words(step.workload)
    return held + fetched_parameters(blocks, step.strategy, step.pricing)


def host_memory(step: StepCost) -> float:
    """[bytes] that the fullest node needs of its host; 0 where nothing lies there."""
    each = host_memory_by_rank(step)
    if not any(each):
        return 0.0
    width = step.strategy.tp * step.strategy.replicas
    by_device = np.repeat(each, width)
    nodes = np.arange(len(by_device)) // step.pricing.cluster.node.devices
    return float(np.bincount(nodes, weights=by_device).max())


def host_shortfalls(step: StepCost) -> Iterator[str]:
    """One sentence if the host of the fullest node has too little memory."""
    need = host_memory(step)
    if not need:
        return
    room = find_host(step.pricing.cluster).memory
    if need > room:
        yield (
            f"the host of a node is {format_quantity(need - room, 'bytes')} short (needs "
            f"{format_quantity(need, 'bytes')} of {format_quantity(room, 'bytes')} for what lies there)"
        )
