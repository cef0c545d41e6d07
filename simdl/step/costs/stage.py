"""Stages: consecutive blocks of a network on one pipeline rank, and what a microbatch costs there.

A host that launches kernels runs ahead of the device and shows only where the device would starve: over one
pass of a stage the device needs max(busy, launches x launch time + collectives x call time) (design decision
1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simdl.kernels.pricing import Work
from simdl.memory.moments import brief_need
from simdl.pipelines.passes import Phase
from simdl.program.action import Cause, Parts
from simdl.software.stack import Amount, Stack
from simdl.step.costs.block_cost import BlockCost
from simdl.step.costs.gradients import GradientShare, merged_shares
from simdl.step.costs.walks import Walk
from workloads.network import Network


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
        gradients: its parameters before ZeRO, by the ranks that hold the same ones.
        saved: [bytes] kept per microbatch.
        transient: [bytes] largest short-lived need.
        brief: [bytes] of it beside all that a microbatch keeps, where blocks are freed one by one.
        boundary: [bytes] sent to the next stage per microbatch.
        items: blocks of each item of its plan of memory savers, which run as one; () for one each.
    """

    blocks: tuple[BlockCost, ...]
    gradients: tuple[GradientShare, ...]
    saved: float
    transient: float
    brief: float
    boundary: float
    items: tuple[int, ...] = ()

    @property
    def parameters(self) -> float:
        """Elements this rank keeps before ZeRO."""
        return sum(share.parameters for share in self.gradients)


def stage_blocks(network: Network, cut: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Indices into ``network.blocks`` of every stage's blocks in chain order."""
    chain = network.places
    stages = []
    first = 0
    for size in cut:
        stages.append(tuple(chain[first : first + size]))
        first += size
    return tuple(stages)


def stage_cost(blocks: tuple[BlockCost, ...]) -> StageCost:
    """Sum of the blocks of one stage."""
    return StageCost(
        blocks=blocks,
        gradients=merged_shares(share for block in blocks for share in block.gradients),
        saved=sum(block.saved for block in blocks),
        transient=max(block.transient for block in blocks),
        brief=brief_need((block.transient, block.saved) for block in blocks),
        boundary=blocks[-1].boundary,
    )


@lru_cache(maxsize=4096)
def stage_works(blocks: tuple[BlockCost, ...], phases: Phase) -> tuple[tuple[Cause, Work], ...]:
    """Work of some phases of a pass over blocks, by cause; recomputation precedes the input gradient."""
    works: list[tuple[Cause, Work]] = []
    if Phase.FORWARD in phases:
        works.append((Cause.FORWARD, sum((block.forward for block in blocks), Work())))
    if Phase.INPUT_GRADIENT in phases:
        works.append((Cause.BACKWARD, sum((block.input_gradient for block in blocks), Work())))
        works.append((Cause.RECOMPUTE, sum((block.recompute for block in blocks), Work())))
    if Phase.WEIGHT_GRADIENT in phases:
        works.append((Cause.BACKWARD, sum((block.weight_gradient for block in blocks), Work())))
    return tuple(works)


@lru_cache(maxsize=4096)
def stage_pass(blocks: tuple[BlockCost, ...], phases: Phase, stack: Stack) -> PassCost:
    """One pass over blocks, which many cuts of a network have in common."""
    return pass_cost(stage_works(blocks, phases), stack)


def stage_walks(blocks: Sequence[BlockCost], phases: Phase) -> tuple[Walk, ...]:
    """A pass over blocks, in the order of the pass; () where no layer walks."""
    if not any(block.walks for block in blocks):
        return ()
    found: list[Walk] = []
    for block in blocks:
        if Phase.FORWARD in phases:
            found += block.walks[0] if block.walks else [Walk("", 1, block.forward.device)]
        if Phase.INPUT_GRADIENT in phases:
            found.append(Walk("", 1, block.recompute.device))
            found += block.walks[1] if block.walks else [Walk("", 1, block.input_gradient.device)]
        if Phase.WEIGHT_GRADIENT in phases:
            found.append(Walk("", 1, block.weight_gradient.device))
    return tuple(walk for walk in found if walk.seconds > 0)


def pass_cost(works: Sequence[tuple[Cause, Work]], stack: Stack, *, overlapped: bool = False) -> PassCost:
    """Duration of one pass and its parts; the device starves where launching takes longer than running.

    Args:
        works: of the phases that run back to back.
        stack: the software.
        overlapped: the kernels of one pass hide the collectives of another (DualPipe).
    """
    total = sum((work for _, work in works), Work())
    hidden = min(total.device, total.busy - total.device) if overlapped else 0.0
    shown = 1 - hidden / (total.busy - total.device) if hidden else 1.0
    seconds: dict[Cause, float] = {}
    for cause, work in works:
        seconds[cause] = seconds.get(cause, 0.0) + work.device
    seconds[Cause.TENSOR] = total.tensor * shown
    seconds[Cause.CONTEXT] = total.context * shown
    seconds[Cause.RESHARDING] = total.resharding * shown
    seconds[Cause.EXPERT] = total.dispatch * shown
    seconds[Cause.LAUNCH] = total.stall + max(0.0, host_time(total, stack) - (total.busy - hidden))
    seconds[Cause.OVERHEAD] = stack.microbatch_overhead
    kept = tuple((cause, time) for cause, time in seconds.items() if time > 0)
    return PassCost(duration=sum(time for _, time in kept), parts=kept)


def pass_seconds(busy: Amount, host: Amount, stack: Stack) -> Amount:
    """[s] of one pass whose kernels and collectives take ``busy`` [s] and whose launches take ``host``."""
    longer: Amount = np.maximum(busy, host)
    return longer + stack.microbatch_overhead


def host_time(work: Work, stack: Stack) -> float:
    """[s] the host needs to launch a pass; linear, so that a stage takes the sum over its blocks."""
    return work.launches * stack.launch + work.calls * stack.collective_launch


def block_time(cost: BlockCost, stack: Stack) -> float:
    """[s] of both passes of a block, at the host's pace where that is slower."""
    passes: tuple[Work, ...] = (cost.forward, cost.backward + cost.recompute)
    return sum(max(work.busy, host_time(work, stack)) for work in passes)
