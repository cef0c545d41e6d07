"""Segments: a pass split into parts so that communication can run beside computation.

One segment per gradient bucket in the last microbatch's backward pass (wait-free back-propagation, Zhang et
al. 2017; buckets, Li et al. 2020), one per block where ZeRO-3 gathers parameters and in every backward pass
where ZeRO-2 or 3 keeps only a shard of the gradient (Rajbhandari et al. 2020, section 5; Zhao et al. 2023),
and one per bucket in the first forward pass where ZeRO-1 or 2 gathers updated parameters beside it. All other
passes are one task.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simdl.block_cost import BlockCost
from simdl.gradients import (
    Collective,
    GradientShare,
    gathers,
    gradient_bytes,
    reductions,
    total_seconds,
)
from simdl.pipelines import last_backward
from simdl.pricing import Work
from simdl.stage import PassCost, StageCost
from simdl.step_cost import StepCost

Group = tuple[BlockCost, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive blocks of one pass that run as one task, with the communication that goes with them.

    Attributes:
        cost: computation.
        gathers: of parameters, which it waits for; one per group of replicas.
        reductions: of gradients, which it sets off; one per group of replicas, two where sharded copies are
            added up too.
        parameters: elements it gathers and reduces.
    """

    cost: PassCost
    gathers: tuple[Collective, ...]
    reductions: tuple[Collective, ...]
    parameters: float

    @property
    def gather(self) -> float:
        """[s] of what it waits for."""
        return total_seconds(self.gathers)

    @property
    def reduce(self) -> float:
        """[s] of what it sets off."""
        return total_seconds(self.reductions)


class Segmentation:
    """Which passes of a step are split, and into what; computed once per virtual stage."""

    def __init__(self, step: StepCost) -> None:
        strategy, stack = step.strategy, step.stack
        self._step = step
        self._sharded = strategy.zero == 3 and strategy.shards > 1
        self._scattered = strategy.zero >= 2 and strategy.shards > 1
        self._ahead = strategy.zero in (1, 2) and strategy.shards > 1 and stack.parameter_overlap
        self._bucketed = strategy.replicas > 1 and stack.gradient_overlap
        self._final = last_backward(
            strategy.schedule, strategy.pp, step.microbatches, strategy.virtual_stages
        )
        self._cache: dict[tuple[str, int, bool], tuple[Segment, ...]] = {}

    def segments(self, kind: str, stage: int, microbatch: int) -> tuple[Segment, ...] | None:
        """The segments of one pass in order, or None for a pass that runs as one task."""
        last = kind == "B" and microbatch == self._final
        reduces = kind == "B" and (self._scattered or (last and self._bucketed))
        ahead = kind == "F" and microbatch == 0 and self._ahead
        if not (self._sharded or reduces or ahead):
            return None
        key = (kind, stage, last)
        if key not in self._cache:
            self._cache[key] = self._split(kind, self._step.stages[stage], last=last)
        return self._cache[key]

    def _split(self, kind: str, stage: StageCost, *, last: bool) -> tuple[Segment, ...]:
        backward = kind == "B"
        whole = stage.backward if backward else stage.forward
        groups = self._groups(stage, backward=backward)
        gathered = [self._gathers(group) if self._sharded or not backward else () for group in groups]
        reduced = [self._reductions(group, last=last) if backward else () for group in groups]
        beside = min(sum(map(total_seconds, (*gathered, *reduced))), whole.duration)
        slowed = _slowed(whole, self._step.stack.contention * beside)
        device = [_device(group, backward=backward) for group in groups]
        total = sum(device)
        return tuple(
            Segment(
                _scaled(slowed, share / total if total else 1 / len(groups)),
                gather,
                reduce,
                sum(block.parameters for block in group),
            )
            for group, share, gather, reduce in zip(groups, device, gathered, reduced, strict=True)
        )

    def _groups(self, stage: StageCost, *, backward: bool) -> list[Group]:
        """Blocks in the order of the pass: one each where all is sharded, else as many as fill a bucket."""
        blocks = tuple(reversed(stage.blocks)) if backward else stage.blocks
        sizes = [gradient_bytes(block.parameters, self._step.pricing) for block in blocks]
        alone = self._sharded or (backward and self._scattered)
        return [blocks[part] for part in buckets(sizes, 0.0 if alone else self._step.stack.bucket)]

    def _gathers(self, group: Group) -> tuple[Collective, ...]:
        step = self._step
        return tuple(gathers(_shares(group), step.strategy, step.pricing))

    def _reductions(self, group: Group, *, last: bool) -> tuple[Collective, ...]:
        """Sharded gradients are reduced in every microbatch, across sharded copies only in the last."""
        step = self._step
        return tuple(reductions(_shares(group), step.strategy, step.pricing, copies=last))


def buckets(sizes: Sequence[float], bucket: float) -> list[slice]:
    """Consecutive items, as many together as fill a bucket; the rest, if any, in one more.

    Example:
        >>> buckets([3.0, 3.0, 3.0], 5.0)
        [slice(0, 2, None), slice(2, 3, None)]
    """
    parts: list[slice] = []
    first, size = 0, 0.0
    for index, item in enumerate(sizes):
        size += item
        if size >= bucket:
            parts.append(slice(first, index + 1))
            first, size = index + 1, 0.0
    return [*parts, slice(first, len(sizes))] if first < len(sizes) else parts


def _shares(group: Group) -> Iterator[GradientShare]:
    return (share for block in group for share in block.gradients)


def _device(group: Group, *, backward: bool) -> float:
    """[s] in kernels: the share of a pass that a segment takes does not hang on the links."""
    works = (block.backward + block.recompute if backward else block.forward for block in group)
    return sum(works, Work()).device


def _slowed(cost: PassCost, extra: float) -> PassCost:
    """Computation beside communication shares memory and processors and takes longer."""
    if extra <= 0:
        return cost
    return PassCost(duration=cost.duration + extra, parts=(*cost.parts, ("contention", extra)))


def _scaled(cost: PassCost, share: float) -> PassCost:
    parts = tuple((name, seconds * share) for name, seconds in cost.parts)
    return PassCost(duration=cost.duration * share, parts=parts)
