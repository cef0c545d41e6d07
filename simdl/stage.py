"""Stages: consecutive blocks of a network on one pipeline rank, and what a microbatch costs there.

A host that launches kernels runs ahead of the device and shows only where the device would starve: over one
pass of a stage the device needs max(busy, launches x launch time + collectives x call time) (design decision
1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from simdl.block_cost import BlockCost
from simdl.gradients import GradientShare, merged_shares
from simdl.pricing import Work
from simdl.stack import Stack
from workloads.network import Network

Parts = tuple[tuple[str, float], ...]
WEIGHT_STEPS = (
    1000  # of relative weights: no cut hangs on a thousandth, and few distinct ones are solved once
)


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
        gradients: its parameters before ZeRO, by the ranks that hold the same ones.
        saved: [bytes] kept per microbatch.
        transient: [bytes] largest short-lived need.
        boundary: [bytes] sent to the next stage per microbatch.
    """

    blocks: tuple[BlockCost, ...]
    forward: PassCost
    backward: PassCost
    gradients: tuple[GradientShare, ...]
    saved: float
    transient: float
    boundary: float

    @property
    def parameters(self) -> float:
        """Elements this rank keeps before ZeRO."""
        return sum(share.parameters for share in self.gradients)


def split_network(network: Network, stages: int, weights: Sequence[float]) -> tuple[int, ...]:
    """Blocks per stage: repeated blocks evenly where they divide, else the cut of least maximum weight.

    Args:
        network: the chain of blocks.
        stages: number of virtual stages.
        weights: [s] per distinct block, for the uneven cut.
    """
    even = even_cut(network, stages)
    if even:
        return even
    heaviest = max(weights) or 1.0
    counts = tuple(block.count for block in network.blocks)
    return _uneven_cut(counts, tuple(round(WEIGHT_STEPS * weight / heaviest) for weight in weights), stages)


@lru_cache(maxsize=65536)
def _uneven_cut(counts: tuple[int, ...], weights: tuple[int, ...], stages: int) -> tuple[int, ...]:
    chain = [weight for count, weight in zip(counts, weights, strict=True) for _ in range(count)]
    return balanced_cut(chain, stages, precision=0.5)


def even_cut(network: Network, stages: int) -> tuple[int, ...]:
    """The cut that needs no weights, or () where there is none.

    Frameworks give every stage the same number of layers, embedding and head on top of first and last.
    """
    if stages == 1:
        return (network.depth,)
    counts = [block.count for block in network.blocks]
    position = counts.index(max(counts))
    if counts[position] % stages or network.depth - counts[position] > 2 or counts[position] == 1:
        return ()
    cut = [counts[position] // stages] * stages
    cut[0] += sum(counts[:position])
    cut[-1] += sum(counts[position + 1 :])
    return tuple(cut)


def balanced_cut(chain: Sequence[float], stages: int, *, precision: float = 0.0) -> tuple[int, ...]:
    """Contiguous parts of a chain with the least maximum sum, by bisection on the limit; at least one each.

    Args:
        chain: weights.
        stages: number of parts.
        precision: distance from the least limit at which to stop; below one is exact for whole numbers.
    """
    low = max(*chain, sum(chain) / stages)
    high = low + max(chain)
    for _ in range(60):
        if high - low <= precision:
            break
        middle = (low + high) / 2
        if _parts_needed(chain, middle) <= stages:
            high = middle
        else:
            low = middle
    return _greedy_parts(chain, high, stages)


def _parts_needed(chain: Sequence[float], limit: float) -> int:
    parts, load = 1, 0.0
    for weight in chain:
        if load + weight > limit:
            parts, load = parts + 1, 0.0
        load += weight
    return parts


def _greedy_parts(chain: Sequence[float], limit: float, stages: int) -> tuple[int, ...]:
    """Fill parts up to the limit, leaving at least one block for every part still to come."""
    cut: list[int] = []
    load, count = 0.0, 0
    for index, weight in enumerate(chain):
        remaining = len(chain) - index
        full = load + weight > limit * (1 + 1e-12)
        if count and len(cut) < stages - 1 and (full or remaining == stages - 1 - len(cut)):
            cut.append(count)
            load, count = 0.0, 0
        load += weight
        count += 1
    cut.append(count)
    return tuple(cut)


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
        gradients=merged_shares(share for block in blocks for share in block.gradients),
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
    parts.append(("resharding", total.resharding))
    parts.append(("launch", starved))
    parts.append(("overhead", stack.microbatch_overhead))
    kept = tuple((name, seconds) for name, seconds in parts if seconds > 0)
    return PassCost(duration=sum(seconds for _, seconds in kept), parts=kept)


def host_time(work: Work, stack: Stack) -> float:
    """[s] the host needs to launch a pass; linear, so that a stage takes the sum over its blocks."""
    return work.launches * stack.launch + work.calls * stack.collective_launch
