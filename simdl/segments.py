"""Segments: a pass split into parts so that communication can run beside computation.

One segment per gradient bucket in the last microbatch's backward pass (wait-free back-propagation, Zhang et
al. 2017; buckets, Li et al. 2020), one per block where ZeRO-3 gathers parameters and in every backward pass
where ZeRO-2 or 3 keeps only a shard of the gradient (Rajbhandari et al. 2020, section 5; Zhao et al. 2023),
and one per bucket in the first forward pass where ZeRO-1 or 2 gathers updated parameters beside it. All other
passes are one task.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from simdl.block_cost import BlockCost
from simdl.pipelines.passes import Entry, Overlap, PassKind, Phase, passes_of
from simdl.pricing import Pricing, Work
from simdl.stage import PassCost, stage_works
from simdl.step_cost import StepCost, copies_time, gather_time, gradient_bytes, reduce_time
from simdl.strategy import Strategy

Blocks = tuple[BlockCost, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive blocks of one pass that run as one task, with the communication that goes with them.

    Attributes:
        cost: computation.
        gather: [s] of the parameter gather it waits for.
        reduce: [s] of the gradient reduction it sets off.
        parameters: elements it gathers and reduces.
    """

    cost: PassCost
    gather: float
    reduce: float
    parameters: float


class Segmentation:
    """Which passes of a step are split, and into what; computed once per kind of pass and virtual stage."""

    def __init__(self, step: StepCost) -> None:
        strategy, stack = step.strategy, step.stack
        self._step = step
        self._sharded = strategy.zero == 3 and strategy.shards > 1
        self._scattered = strategy.zero >= 2 and strategy.shards > 1
        self._ahead = strategy.zero in (1, 2) and strategy.shards > 1 and stack.parameter_overlap
        self._bucketed = strategy.replicas > 1 and stack.gradient_overlap
        self._cache: dict[tuple[object, ...], tuple[Segment, ...]] = {}

    def segments(self, entry: Entry, *, first: bool, last: bool) -> tuple[Segment, ...] | None:
        """The segments of one pass in order, or None for a pass that runs as one task.

        Args:
            entry: the pass.
            first: whether it is the first forward pass of its stage.
            last: whether it completes the gradients of its stage.
        """
        passes = passes_of(entry)
        completes = any(each.kind.completes for each in passes)
        reduces = completes and (self._scattered or (last and self._bucketed))
        ahead = first and self._ahead and not isinstance(entry, Overlap)
        if not (self._sharded or reduces or ahead):
            return None
        key = (tuple((each.kind, each.stage) for each in passes), last)
        if key not in self._cache:
            self._cache[key] = tuple(self._split(key[0], last=last))
        return self._cache[key]

    def _split(self, passes: tuple[tuple[PassKind, int], ...], *, last: bool) -> list[Segment]:
        kind, stage = next(((k, s) for k, s in passes if k.completes), passes[0])
        whole = self._step.pass_cost(passes)
        blocks = self._step.stages[stage].blocks
        groups = [blocks] if len(passes) > 1 else self._groups(blocks, kind)
        device = [_device(group, kind.phases) for group in groups]
        total = sum(device)
        return [
            Segment(
                cost=_scaled(whole, share / total if total else 1 / len(groups)),
                gather=self._gather(group) if self._gathers(kind) else 0.0,
                reduce=self._reduce(group, last=last) if kind.completes else 0.0,
                parameters=sum(block.parameters for block in group),
            )
            for group, share in zip(groups, device, strict=True)
        ]

    def _gathers(self, kind: PassKind) -> bool:
        return kind.acquires or self._sharded

    def _groups(self, blocks: Blocks, kind: PassKind) -> list[Blocks]:
        """Blocks in the order of the pass: one each where all is sharded, else as many as fill a bucket."""
        blocks = blocks if kind.acquires else tuple(reversed(blocks))
        alone = self._sharded or (kind.completes and self._scattered)
        parts = segment_parts([block.parameters for block in blocks], self._step.pricing, alone=alone)
        return [blocks[part] for part in parts]

    def _gather(self, group: Blocks) -> float:
        step = self._step
        return gather_time(sum(block.parameters for block in group), step.strategy, step.pricing)

    def _reduce(self, group: Blocks, *, last: bool) -> float:
        parameters = sum(block.parameters for block in group)
        return segment_reduce_time(parameters, self._step.strategy, self._step.pricing, last=last)


def segment_parts(parameters: Sequence[float], pricing: Pricing, *, alone: bool) -> list[slice]:
    """Blocks in the order of a pass as segments: each alone, or as many as fill a bucket of gradients."""
    sizes = [gradient_bytes(count, pricing) for count in parameters]
    return buckets(sizes, 0.0 if alone else pricing.stack.bucket)


def segment_reduce_time(parameters: float, strategy: Strategy, pricing: Pricing, *, last: bool) -> float:
    """[s] to reduce the gradient of a segment.

    Sharded gradients are reduced in every microbatch, across sharded copies only in the last.
    """
    seconds = reduce_time(parameters, strategy, pricing)
    if last:
        return seconds
    shard = gradient_bytes(parameters, pricing) / strategy.shards
    return seconds - copies_time(shard, strategy, pricing)


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


def _device(group: Blocks, phases: Phase) -> float:
    """[s] in kernels: the share of a pass that a segment takes does not hang on the links."""
    return sum((work for _, work in stage_works(group, phases)), Work()).device


def _scaled(cost: PassCost, share: float) -> PassCost:
    parts = tuple((cause, seconds * share) for cause, seconds in cost.parts)
    return PassCost(duration=cost.duration * share, parts=parts)
