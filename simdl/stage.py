"""Stages: consecutive blocks of a network on one pipeline rank, and what a microbatch costs there.

A host that launches kernels runs ahead of the device and shows only where the device would starve: over one
pass of a stage the device needs max(busy, launches x launch time + collectives x call time) (design decision
1).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from simdl.block_cost import BlockCost
from simdl.pricing import Work
from simdl.stack import Stack
from workloads.network import Network

Parts = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassCost:
    """One pass of one microbatch over some blocks: seconds, and the same by cause."""

    duration: float
    parts: Parts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageCost:
    """One virtual stage.

    Attributes:
        blocks: costs of its blocks in chain order.
        forward, backward: passes of one microbatch (backward includes recomputation).
        parameters: elements this rank keeps before ZeRO.
        saved: [bytes] kept per microbatch.
        transient: [bytes] largest short-lived need.
        boundary: [bytes] sent to the next stage per microbatch.
    """

    blocks: tuple[BlockCost, ...]
    forward: PassCost
    backward: PassCost
    parameters: float
    saved: float
    transient: float
    boundary: float


def stage_blocks(network: Network, cut: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Indices into ``network.blocks`` of every stage's blocks in chain order."""
    chain = [index for index, block in enumerate(network.blocks) for _ in range(block.count)]
    stages = []
    first = 0
    for size in cut:
        stages.append(tuple(chain[first : first + size]))
        first += size
    return tuple(stages)


def stage_cost(blocks: tuple[BlockCost, ...], stack: Stack) -> StageCost:
    """Sum of the blocks of one stage."""
    forward = sum((block.forward for block in blocks), Work())
    backward = sum((block.backward for block in blocks), Work())
    recompute = sum((block.recompute for block in blocks), Work())
    return StageCost(
        blocks=blocks,
        forward=pass_cost((("forward", forward),), stack),
        backward=pass_cost((("backward", backward), ("recompute", recompute)), stack),
        parameters=sum(block.parameters for block in blocks),
        saved=sum(block.saved for block in blocks),
        transient=max(block.transient for block in blocks),
        boundary=blocks[-1].boundary,
    )


def pass_cost(works: Sequence[tuple[str, Work]], stack: Stack) -> PassCost:
    """Duration of one pass and its parts; the device starves where launching takes longer than running."""
    total = sum((work for _, work in works), Work())
    host = host_time(total, stack)
    starved = max(0.0, host - total.busy)
    parts = [(name, work.device) for name, work in works]
    parts.append(("tensor_communication", total.tensor))
    parts.append(("context_communication", total.context))
    parts.append(("launch", starved))
    parts.append(("overhead", stack.microbatch_overhead))
    kept = tuple((name, seconds) for name, seconds in parts if seconds > 0)
    return PassCost(duration=sum(seconds for _, seconds in kept), parts=kept)


def host_time(work: Work, stack: Stack) -> float:
    """[s] the host needs to launch a pass; linear, so that a stage takes the sum over its blocks."""
    return work.launches * stack.launch + work.calls * stack.collective_launch
