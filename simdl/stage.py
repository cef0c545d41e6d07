"""Stages: consecutive blocks of a network on one pipeline rank, and what a microbatch costs there.

A host that launches kernels runs ahead of the device and shows only where the device would starve: over one
pass of a stage the device needs max(busy, launches x launch time + collectives x call time) (design decision
1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simdl.block_cost import BlockCost
from simdl.pipelines.passes import Phase
from simdl.pricing import Work
from simdl.program.action import Cause, Parts
from simdl.stack import Amount, Stack
from workloads.network import Network

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
        parameters: elements this rank keeps before ZeRO.
        saved: [bytes] kept per microbatch.
        transient: [bytes] largest short-lived need.
        boundary: [bytes] sent to the next stage per microbatch.
    """

    blocks: tuple[BlockCost, ...]
    parameters: float
    saved: float
    transient: float
    boundary: float


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


def stage_cost(blocks: tuple[BlockCost, ...]) -> StageCost:
    """Sum of the blocks of one stage."""
    return StageCost(
        blocks=blocks,
        parameters=sum(block.parameters for block in blocks),
        saved=sum(block.saved for block in blocks),
        transient=max(block.transient for block in blocks),
        boundary=blocks[-1].boundary,
    )


def stage_works(blocks: Sequence[BlockCost], phases: Phase) -> list[tuple[Cause, Work]]:
    """Work of some phases of a pass over blocks, by cause; recomputation precedes the input gradient."""
    works: list[tuple[Cause, Work]] = []
    if Phase.FORWARD in phases:
        works.append((Cause.FORWARD, sum((block.forward for block in blocks), Work())))
    if Phase.INPUT_GRADIENT in phases:
        works.append((Cause.BACKWARD, sum((block.input_gradient for block in blocks), Work())))
        works.append((Cause.RECOMPUTE, sum((block.recompute for block in blocks), Work())))
    if Phase.WEIGHT_GRADIENT in phases:
        works.append((Cause.BACKWARD, sum((block.weight_gradient for block in blocks), Work())))
    return works


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
    seconds[Cause.LAUNCH] = max(0.0, host_time(total, stack) - (total.busy - hidden))
    seconds[Cause.OVERHEAD] = stack.microbatch_overhead
    kept = tuple((cause, time) for cause, time in seconds.items() if time > 0)
    return PassCost(duration=sum(time for _, time in kept), parts=kept)


def pass_seconds(busy: Amount, host: Amount, stack: Stack) -> Amount:
    """[s] of one pass whose kernels and collectives take ``busy`` [s] and whose launches take ``host`` [s]."""
    return np.maximum(busy, host) + stack.microbatch_overhead


def host_time(work: Work, stack: Stack) -> float:
    """[s] the host needs to launch a pass; linear, so that a stage takes the sum over its blocks."""
    return work.launches * stack.launch + work.calls * stack.collective_launch
