"""Memory of one rank by lifetime: the whole step, from forward to backward, or briefly.

Parameters, gradients and optimizer state follow Rajbhandari et al. 2020 (ZeRO), activations Korthikanti et
al. 2022; the number of live microbatches comes from the pipeline order itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hardware.device import Device
from hardware.units import format_quantity
from simdl.compression.method import parse_compression
from simdl.kernels.pricing import Pricing
from simdl.memory.context import context_bytes, copied_gradient
from simdl.memory.gradient_lifetime import HELD, USED, comes_late, gradient_relief
from simdl.memory.host_needs import host_buffers, host_shortfalls
from simdl.memory.moments import frees_blocks
from simdl.pipelines import peaks
from simdl.pipelines.steps import order_length
from simdl.software.stack import Amount, Stack
from simdl.step.costs.block_cost import BlockCost
from simdl.step.costs.gradients import (
    MAIN_GRADIENT,
    GradientShare,
    gradient_bytes,
    gradient_element,
    share_shards,
)
from simdl.step.costs.host import hosted_shares, streams_gradients
from simdl.step.costs.saved_blocks import item_needs
from simdl.step.costs.stage import StageCost
from simdl.step.costs.step_cost import StepCost
from simdl.step.costs.update import moment_bytes
from simdl.step.strategy import Strategy
from workloads.workload import Workload

Floats = NDArray[np.float64]
PASSES = ("activations", "transient", "workspace", "gathered")
"""Parts that are gone when all backward passes are over."""
WHOLE = 3
"""ZeRO stage that divides parameters too."""


def memory_by_rank(step: StepCost) -> list[dict[str, float]]:
    """[bytes] at the peak of every pipeline rank, by part."""
    strategy = step.strategy
    length = order_length(step.pipeline, strategy.pp, step.microbatches)
    found = peaks(strategy.schedule, strategy.pp, length, strategy.virtual_stages)
    saved = [stage.saved for stage in step.stages]
    whole = [_memory_by_part(step, rank, peak.largest(saved)) for rank, peak in enumerate(found)]
    if step.workload.optimizer.paged:
        whole = [_within_room("optimizer", parts, step) for parts in whole]
    return [_within_room("workspace", parts, step) if "workspace" in parts else parts for parts in whole]


def paged_by_rank(step: StepCost) -> tuple[float, ...]:
    """[bytes] of optimizer state that the host holds for every pipeline rank; () where none is paged."""
    if not step.workload.optimizer.paged:
        return ()
    held = (parts["optimizer"] for parts in memory_by_rank(step))
    whole = (
        shares_bytes(step.rank_gradients(rank), step.strategy, step.workload, step.pricing)["optimizer"]
        for rank in range(step.strategy.pp)
    )
    return tuple(all_of_it - here for all_of_it, here in zip(whole, held, strict=True))


def paging_notes(step: StepCost) -> Iterator[str]:
    """One sentence for the rank of which the host holds most."""
    paged = paged_by_rank(step)
    if paged and max(paged) > 0:
        yield (
            f"optimizer {step.workload.optimizer.name}: {format_quantity(max(paged), 'bytes')} of the state "
            f"of stage {paged.index(max(paged))} lie in host memory and pass the host link twice a step"
        )


def _within_room(part: str, parts: dict[str, float], step: StepCost) -> dict[str, float]:
    """Parts of a rank of which one is on the device as far as there is room.

    So is paged optimizer state, and the workspace of convolutions: frameworks ask for that of the fastest
    algorithm and take the next one where memory is short (PyTorch, ``AlgoIterator::try_all`` in
    aten/src/ATen/native/cudnn/Conv_v7.cpp; TensorFlow's algorithm without scratch memory).
    """
    others = sum(parts.values()) - parts[part]
    room = usable_memory(step.stack, step.pricing.cluster.device) - others
    return {**parts, part: min(parts[part], max(0.0, room))}


def _memory_by_part(step: StepCost, rank: int, activations: float) -> dict[str, float]:
    stages, strategy = step.rank_stages(rank), step.strategy
    stashed = step.pipeline.versions(rank, strategy.pp) - 1
    blocks = [block for stage in stages for block in stage.blocks]
    hosted = any(block.saver.optimizer or block.saver.parameters for block in blocks)
    state = _state_on_device(step, rank, blocks if hosted else ())
    workspace = max(block.workspace for block in blocks)
    sizes = np.array([_sharded(block, strategy) for block in blocks])
    saved = np.array([block.saved for block in blocks])
    tables = sum(block.tables for block in blocks)
    relief = _gradient_relief(step, stages[0]) if len(stages) == 1 else 0.0
    absent = min(relief, state["gradients"])
    state["gradients"] += copied_gradient(strategy, step.pricing) - absent
    parts = {
        **state,
        "parameters": state["parameters"] + tables,
        **({"stashed": stashed * state["parameters"]} if stashed else {}),
        **_residual(step, rank),
        "activations": activations - (relief - absent),
        "transient": max(_brief(stage, step) for stage in stages),
        **({"workspace": workspace} if workspace else {}),
        "gathered": float(gathered_bytes(sizes, saved, strategy, step.pricing)),
        **({"host_buffers": host_buffers(stages, step)} if hosted else {}),
        "context": context_bytes(strategy, step.pricing),
    }
    update = 0.0 if hosted else _update(step, rank, parts, absent)
    return {**parts, "update": update} if update > 0 else parts


def _update(step: StepCost, rank: int, parts: Mapping[str, float], absent: float) -> float:
    """[bytes] that the update needs beyond what backward passes do, which are over by then.

    ``absent``: gradients that are not there at the peak of these, but at the update.
    """
    brief = sum(
        update_bytes(
            share.parameters,
            step.strategy,
            step.workload,
            step.pricing,
            shards=share_shards(share.group, step.strategy),
        )
        for share in step.rank_gradients(rank)
    )
    return brief + absent - sum(parts.get(part, 0.0) for part in PASSES) if brief else 0.0


def _brief(stage: StageCost, step: StepCost) -> float:
    """[bytes] that a stage needs briefly beside all activations."""
    return stage.brief if frees_blocks(step.strategy) else stage.transient


def _gradient_relief(step: StepCost, stage: StageCost) -> float:
    """[bytes] less where gradients come with their backward pass, and activations go."""
    late = step.stack.gradients != HELD and comes_late(step.strategy, step.microbatches)
    if not late or any(size > 1 for size in stage.items):
        return 0.0
    kept = np.array([[block.saved for block in stage.blocks]])
    brief = np.array([list(item_needs([[block] for block in stage.blocks]))])
    element = kept_gradient(1.0, step.strategy, step.pricing)
    gradients = element * np.array([[block.parameters for block in stage.blocks]])
    network, lifetime = step.pricing.network, step.stack.gradients
    return float(gradient_relief(brief, kept, gradients, network, tp=step.strategy.tp, lifetime=lifetime)[0])


def _state_on_device(step: StepCost, rank: int, hosted: Sequence[BlockCost]) -> dict[str, float]:
    """[bytes] of parameters, gradients and optimizer state less those of blocks that the host holds."""

    def total(shares: Iterable[GradientShare]) -> dict[str, float]:
        return shares_bytes(shares, step.strategy, step.workload, step.pricing)

    whole = total(step.rank_gradients(rank))
    if not hosted:
        return whole
    updated = total(hosted_shares(hosted, "optimizer"))
    sent = updated["gradients"] if streams_gradients(step.strategy) else 0.0
    fetched = total(hosted_shares(hosted, "parameters"))["parameters"]
    return {
        "parameters": whole["parameters"] - fetched,
        "gradients": whole["gradients"] - sent,
        "optimizer": whole["optimizer"] - updated["optimizer"],
    }


def _residual(step: StepCost, rank: int) -> dict[str, float]:
    """[bytes] of what compression keeps of gradients from step to step; empty where it keeps nothing."""
    if not step.strategy.compression:
        return {}
    kept = parse_compression(step.strategy.compression).residual
    return {"residual": kept * sum(share.parameters for share in step.rank_gradients(rank))} if kept else {}


def _sharded(block: BlockCost, strategy: Strategy) -> float:
    """Parameters of a block that ZeRO divides, as far as they are gathered together."""
    held = sum(share.parameters for share in block.gradients if share_shards(share.group, strategy) > 1)
    return held * block.gathered


def shares_bytes(
    shares: Iterable[GradientShare], strategy: Strategy, workload: Workload, pricing: Pricing
) -> dict[str, float]:
    """[bytes] of parameters, gradients and optimizer state, each share divided over its own ranks."""
    total = state_bytes(0.0, strategy, workload, pricing)
    for share in shares:
        shards = share_shards(share.group, strategy)
        part = state_bytes(share.parameters, strategy, workload, pricing, shards=shards)
        total = {name: total[name] + nbytes for name, nbytes in part.items()}
    return total


def state_bytes(
    parameters: Amount, strategy: Strategy, workload: Workload, pricing: Pricing, *, shards: int = 0
) -> dict[str, Amount]:
    """[bytes] of parameters, gradients and optimizer state, each divided from its ZeRO stage on.

    Args:
        parameters: elements of a rank before ZeRO.
        strategy: with its ZeRO stage.
        workload: with its precision and optimizer.
        pricing: with the size of gradients.
        shards: ranks that ZeRO divides them over; 0 for those of parameters that all replicas hold alike.
    """
    precision, shards = workload.precision, shards or strategy.shards
    optimizer = moment_bytes(workload) + precision.master + main_gradient_bytes(strategy, pricing)
    return {
        "parameters": parameters * precision.parameter / (shards if strategy.zero >= 3 else 1),
        "gradients": kept_gradient(parameters, strategy, pricing) / (shards if strategy.zero >= 2 else 1),
        "optimizer": parameters * optimizer / (shards if strategy.zero >= 1 else 1),
    }


def update_bytes(
    parameters: Amount, strategy: Strategy, workload: Workload, pricing: Pricing, *, shards: int = 0
) -> Amount:
    """[bytes] of FP32 tensors that an update by two moments makes beside parameters, gradients and state.

    Args:
        parameters: elements of a rank before ZeRO.
        strategy: with its ZeRO stage.
        workload: with its optimizer; one of a single moment works in place, as does one in the backward pass.
        pricing: with the stack's copies.
        shards: ranks that ZeRO divides them over; 0 for those of parameters that all replicas hold alike.
    """
    several = workload.optimizer.moments > 1 and pricing.stack.gradients != USED
    copies = pricing.stack.update_copies if several else 0
    shards = (shards or strategy.shards) if strategy.zero >= 1 else 1
    return parameters * copies * MAIN_GRADIENT / shards


def kept_gradient(parameters: Amount, strategy: Strategy, pricing: Pricing) -> Amount:
    """[bytes] of gradients until the update.

    FSDP's shards are FP32 masters, and so are its gradients whatever they are reduced in: 4 bytes each beside
    the moments. Counted here are a 16-bit shard beside the master and a 16-bit gradient: as many. Where
    autocast computes in 16 bit, gradients have the format of the FP32 parameters (torch.amp: autograd casts
    them back where it cast a parameter).
    """
    stack, precision = pricing.stack, pricing.precision
    if strategy.zero >= WHOLE and stack.main_gradient == "none" and precision.master:
        return parameters * precision.gradient
    widened = stack.autocast and stack.main_gradient == "none" and precision.master
    return parameters * max(gradient_element(pricing), MAIN_GRADIENT if widened else 0)


def main_gradient_bytes(strategy: Strategy, pricing: Pricing) -> float:
    """[bytes] per parameter of an FP32 gradient that lies beside the one that is reduced, divided like state.

    Megatron-LM copies FP16 gradients to it: 20 bytes a parameter in all, 4 + 16/d with the distributed
    optimizer; BF16 ones are accumulated in FP32 in the first place: 18, and 6 + 12/d (Megatron-LM,
    docs/source/api-guide/dist_optimizer.md). DeepSpeed copies each rank's partition of 16-bit gradients, so
    that ZeRO-2 needs 2 + 18/d, or widens them in place under ZeRO-3, which needs 18/d (estimators in
    runtime/zero/stage_1_and_2.py and stage3.py).
    """
    kind, precision = pricing.stack.main_gradient, pricing.precision
    if kind == "none" or not precision.master or gradient_element(pricing) >= MAIN_GRADIENT:
        return 0.0
    return MAIN_GRADIENT - (precision.gradient if kind == "partition" and strategy.zero >= WHOLE else 0)


def resident_bytes(parameters: Amount, strategy: Strategy, workload: Workload, pricing: Pricing) -> Amount:
    """[bytes] of parameters, gradients and state that the device has to hold."""
    parts = state_bytes(parameters, strategy, workload, pricing)
    held = parts["parameters"] + parts["gradients"]
    return held if workload.optimizer.paged else held + parts["optimizer"]


def stashed_bytes(
    parameters: Amount, versions: int, strategy: Strategy, pricing: Pricing
) -> dict[str, Amount]:
    """[bytes] of older weights that a schedule keeps for the microbatches in flight; nothing without."""
    if not versions:
        return {}
    held = parameters * pricing.precision.parameter / (strategy.shards if strategy.zero >= 3 else 1)
    return {"stashed": held * versions}


def gathered_bytes(parameters: Floats, saved: Floats, strategy: Strategy, pricing: Pricing) -> Floats:
    """[bytes] that ZeRO-2 and 3 hold in full beside all activations, at the peak of a backward pass.

    While a block runs backward, its gradient is whole, and with ZeRO-3 its parameters and those of the next
    one; the activations of the blocks that ran before it are gone (Zhao et al. 2023, "PyTorch FSDP", section
    3). So what a large first block needs may find room where activations were. DeepSpeed gathers layer by
    layer; its estimator counts the largest one with its 16-bit gradient, 4 bytes a parameter.

    Args:
        parameters: [blocks] elements of each block of a rank that are held together (`BlockCost.gathered`),
            in the order of the forward pass.
        saved: [... x blocks] bytes of activations of one microbatch.
        strategy: with its ZeRO stage and shards.
        pricing: sizes of parameters and gradients.
    """
    if strategy.zero < 2 or not strategy.shards_state:
        return np.zeros(saved.shape[:-1])
    if pricing.stack.gathers == "layer":
        each = pricing.precision.gradient + (pricing.precision.parameter if strategy.zero == WHOLE else 0)
        return np.full(saved.shape[:-1], parameters.max() * each)
    held = gradient_bytes(parameters, pricing)
    if strategy.zero == 3:
        upcoming = np.concatenate([[0.0], parameters[:-1]])
        held = held + (parameters + upcoming) * pricing.precision.parameter
    freed = np.cumsum(saved[..., ::-1], axis=-1)[..., ::-1] - saved
    most: Floats = (held - freed).max(axis=-1)
    return most


def usable_memory(stack: Stack, device: Device) -> float:
    """[bytes] that a rank can fill: capacity less what the allocator loses."""
    return device.memory_capacity * (1 - stack.memory_reserve)


def memory_shortfalls(
    step: StepCost, device: Device, memory: Sequence[Mapping[str, float]] | None = None
) -> Iterator[str]:
    """One sentence per pipeline rank that does not fit, the one that misses by most first; then the host.

    Args:
        step: what it costs.
        device: of every rank.
        memory: of :func:`memory_by_rank`; None to find it.
    """
    usable = usable_memory(step.stack, device)
    by_rank = dict(enumerate(memory_by_rank(step) if memory is None else memory))
    needs = {rank: sum(parts.values()) for rank, parts in by_rank.items()}
    for rank in sorted(needs, key=lambda rank: -needs[rank]):
        if needs[rank] > usable:
            yield shortfall(rank, needs[rank], usable, by_rank[rank])
    yield from host_shortfalls(step)


def shortfall(rank: int, need: float, usable: float, parts: Mapping[str, float]) -> str:
    """The sentence for one rank: how much is missing, and what takes most of it."""
    largest = max(parts, key=lambda part: parts[part])
    return (
        f"stage {rank} is {format_quantity(need - usable, 'bytes')} short "
        f"(needs {format_quantity(need, 'bytes')} of {format_quantity(usable, 'bytes')} usable; "
        f"most of it {largest}, {format_quantity(parts[largest], 'bytes')})"
    )
