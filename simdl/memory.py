"""Memory of one rank by lifetime: the whole step, from forward to backward, or briefly.

Parameters, gradients and optimizer state follow Rajbhandari et al. 2020 (ZeRO), activations Korthikanti et
al. 2022; the number of live microbatches comes from the pipeline order itself.
"""

from collections.abc import Iterator, Mapping

from hardware.device import Device
from hardware.units import format_quantity
from simdl.pipelines import pipeline_order
from simdl.step_cost import StepCost, gradient_bytes

GATHERED = 2  # blocks whose parameters ZeRO-3 holds in full: the one in use and the one prefetched


def memory_by_part(step: StepCost, rank: int) -> dict[str, float]:
    """[bytes] at the peak of one pipeline rank, by part."""
    stages = step.rank_stages(rank)
    parameters = sum(stage.parameters for stage in stages)
    return {
        **_state(step, parameters),
        "activations": _activations(step, rank),
        "transient": max(stage.transient for stage in stages),
        "gathered": _gathered(step, rank),
        "context": step.stack.memory_context,
    }


def _state(step: StepCost, parameters: float) -> dict[str, float]:
    """Parameters, gradients and optimizer state, each divided from its ZeRO stage on."""
    strategy, precision = step.strategy, step.workload.precision
    shards = strategy.shards
    optimizer = step.workload.optimizer.state + precision.master
    return {
        "parameters": parameters * precision.parameter / (shards if strategy.zero >= 3 else 1),
        "gradients": gradient_bytes(parameters, step.pricing) / (shards if strategy.zero >= 2 else 1),
        "optimizer": parameters * optimizer / (shards if strategy.zero >= 1 else 1),
    }


def _activations(step: StepCost, rank: int) -> float:
    strategy = step.strategy
    orders = pipeline_order(strategy.schedule, strategy.pp, step.microbatches, strategy.virtual_stages)
    return _peak(tuple((action.kind, action.stage) for action in orders[rank]), step)


def _peak(order: tuple[tuple[str, int], ...], step: StepCost) -> float:
    live = peak = 0.0
    for kind, stage in order:
        saved = step.stages[stage].saved
        live += saved if kind == "F" else -saved
        peak = max(peak, live)
    return peak


def _gathered(step: StepCost, rank: int) -> float:
    if step.strategy.zero < 3 or step.strategy.shards == 1:
        return 0.0
    largest = max(block.parameters for stage in step.rank_stages(rank) for block in stage.blocks)
    return GATHERED * largest * step.workload.precision.parameter


def usable_memory(step: StepCost, device: Device) -> float:
    """[bytes] that a rank can fill: capacity less what the allocator loses."""
    return device.memory_capacity * (1 - step.stack.memory_reserve)


def memory_shortfalls(step: StepCost, device: Device) -> Iterator[str]:
    """One sentence per pipeline rank that does not fit."""
    usable = usable_memory(step, device)
    for rank in range(step.strategy.pp):
        parts = memory_by_part(step, rank)
        need = sum(parts.values())
        if need > usable:
            yield shortfall(rank, need, usable, parts)


def shortfall(rank: int, need: float, usable: float, parts: Mapping[str, float]) -> str:
    """The sentence for one rank: how much is missing, and what takes most of it."""
    largest = max(parts, key=lambda part: parts[part])
    return (
        f"stage {rank} is {format_quantity(need - usable, 'bytes')} short "
        f"(needs {format_quantity(need, 'bytes')} of {format_quantity(usable, 'bytes')} usable; "
        f"most of it {largest}, {format_quantity(parts[largest], 'bytes')})"
    )
