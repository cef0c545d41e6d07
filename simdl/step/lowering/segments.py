"""Segments: a pass split into parts so that communication can run beside computation.

One segment per gradient bucket in the last microbatch's backward pass (wait-free back-propagation, Zhang et
al. 2017; buckets, Li et al. 2020), one per block where ZeRO-3 gathers parameters and in every backward pass
where ZeRO-2 or 3 keeps only a shard of the gradient (Rajbhandari et al. 2020, section 5; Zhao et al. 2023),
and one per bucket in the first forward pass where ZeRO-1 or 2 gathers updated parameters beside it. All other
passes are one task.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, pairwise

from simdl.communication import Group
from simdl.kernels.pricing import Pricing, Work
from simdl.pipelines.passes import Entry, Overlap, PassKind, Phase, passes_of
from simdl.software.stack import Stack
from simdl.step.costs.block_cost import BlockCost
from simdl.step.costs.gradients import (
    Collective,
    GradientShare,
    gathers,
    gradient_element,
    joined_share,
    merged_shares,
    reductions,
    replica_group,
    total_seconds,
)
from simdl.step.costs.stage import (
    PassCost,
    StageCost,
    host_time,
    pass_seconds,
    stage_walks,
    stage_works,
)
from simdl.step.costs.stage_items import is_hosted, stage_items
from simdl.step.costs.step_cost import StepCost
from simdl.step.costs.walks import Walk
from simdl.step.strategy import Strategy

Blocks = tuple[BlockCost, ...]
Part = tuple[Blocks, tuple[GradientShare, ...]]
"""Blocks that run as one task, and the parameters that are gathered before or reduced after it."""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Consecutive blocks of one pass that run as one task, with the communication that goes with them.

    Attributes:
        cost: computation.
        gathers: of parameters, which it waits for; one per group of replicas.
        reductions: of gradients, which it sets off; one per group of replicas, two where sharded copies are
            added up too.
        parameters: elements it gathers and reduces.
        walks: of its blocks' recurrent layers, if they have any.
        blocks: that it runs, where some of them lie in host memory; () elsewhere.
        place: of these among the items of the stage's plan.
    """

    cost: PassCost
    gathers: tuple[Collective, ...]
    reductions: tuple[Collective, ...]
    parameters: float
    walks: tuple[Walk, ...] = ()
    blocks: Blocks = ()
    place: int = 0

    @property
    def gather(self) -> float:
        """[s] of what it waits for."""
        return total_seconds(self.gathers)

    @property
    def reduce(self) -> float:
        """[s] of what it sets off."""
        return total_seconds(self.reductions)


class Segmentation:
    """Which passes of a step are split, and into what; once per kind of pass over stages that are alike."""

    def __init__(self, step: StepCost) -> None:
        strategy, stack = step.strategy, step.stack
        self._step = step
        self._sharded = strategy.zero == 3 and strategy.shards_state
        self._scattered = strategy.zero >= 2 and strategy.shards_state
        self._ahead = strategy.zero in (1, 2) and strategy.shards_state and stack.parameter_overlap
        self._bucketed = strategy.reduces and stack.gradient_overlap
        self._hosted = [is_hosted(stage) for stage in step.stages]
        self._each = self._sharded or self._scattered or any(self._hosted)
        self._cache: dict[tuple[object, ...], tuple[Segment, ...]] = {}

    def segments(self, entry: Entry, *, first: bool, last: bool) -> tuple[Segment, ...] | None:
        """The segments of one pass in order, or None for a pass that runs as one task.

        Args:
            entry: the pass.
            first: whether it is the first forward pass of its stage.
            last: whether it completes the gradients of its stage.
        """
        if not (self._each or first or last):
            return None
        passes = passes_of(entry)
        completes = any(each.kind.completes for each in passes)
        reduces = completes and (self._scattered or (last and self._bucketed))
        ahead = first and self._ahead and not isinstance(entry, Overlap)
        hosted = any(self._hosted[each.stage] for each in passes)
        if not (self._sharded or reduces or ahead or hosted):
            return None
        stages = self._step.stages
        key = (tuple((each.kind, stages[each.stage]) for each in passes), last, reduces, ahead)
        if key not in self._cache:
            split = tuple((each.kind, each.stage) for each in passes)
            self._cache[key] = tuple(self._split(split, last=last, reduces=reduces, ahead=ahead))
        return self._cache[key]

    def _split(
        self, passes: tuple[tuple[PassKind, int], ...], *, last: bool, reduces: bool, ahead: bool
    ) -> list[Segment]:
        step = self._step
        kind, stage = next(((k, s) for k, s in passes if k.completes), passes[0])
        whole = step.pass_cost(passes)
        hosted = self._hosted[stage]
        parts = (
            self._items(step.stages[stage], kind, reduces=reduces)
            if hosted
            else self._parts(step.stages[stage], kind, whole=len(passes) > 1)
        )
        ends = segment_ends([_work(blocks, kind.phases) for blocks, _ in parts], step.stack)
        gathered = self._sharded or (kind.acquires and (ahead or not hosted))
        return [
            Segment(
                cost=_scaled(whole, (end - begin) / ends[-1] if ends[-1] else 1 / len(parts)),
                gathers=tuple(gathers(shares, step.strategy, step.pricing)) if gathered else (),
                reductions=tuple(reductions(shares, step.strategy, step.pricing, copies=last))
                if kind.completes and reduces
                else (),
                parameters=sum(part.parameters for part in shares),
                walks=stage_walks(blocks, kind.phases) if len(passes) == 1 else (),
                blocks=blocks if hosted else (),
                place=index if kind.acquires else len(parts) - 1 - index,
            )
            for index, ((blocks, shares), (begin, end)) in enumerate(
                zip(parts, pairwise((0.0, *ends)), strict=True)
            )
        ]

    def _items(self, stage: StageCost, kind: PassKind, *, reduces: bool) -> list[Part]:
        """Items of a plan in the order of the pass, the gradients of a bucket with the item that fills it."""
        items = stage_items(stage)
        if not kind.acquires:
            items = [item[::-1] for item in reversed(items)]
        own = [merged_shares(share for block in item for share in block.gradients) for item in items]
        if not (kind.completes and reduces) or self._sharded or self._scattered:
            return list(zip(items, own, strict=True))
        ready: dict[int, tuple[GradientShare, ...]] = {
            part.stop - 1: shares
            for part, shares in filled_buckets(own, self._step.strategy, self._step.pricing)
        }
        return [(item, ready.get(index, ())) for index, item in enumerate(items)]

    def _parts(self, stage: StageCost, kind: PassKind, *, whole: bool) -> list[Part]:
        """Blocks in the order of the pass: one each where all is sharded, else as many as fill a bucket."""
        blocks = stage.blocks if kind.acquires else tuple(reversed(stage.blocks))
        if whole:
            return [(blocks, stage.gradients)]
        alone = self._sharded or (kind.completes and self._scattered)
        if kind.completes and not alone:
            step = self._step
            found = filled_buckets([block.gradients for block in blocks], step.strategy, step.pricing)
            return [(blocks[part], shares) for part, shares in found]
        parts = segment_parts([block.parameters for block in blocks], self._step.pricing, alone=alone)
        return [
            (blocks[part], merged_shares(share for block in blocks[part] for share in block.gradients))
            for part in parts
        ]


def segment_parts(parameters: Sequence[float], pricing: Pricing, *, alone: bool) -> list[slice]:
    """Blocks in the order of a pass as segments: each alone, or as many as fill a bucket of gradients."""
    element = gradient_element(pricing)
    sizes = [count * element for count in parameters]
    return buckets(sizes, 0.0 if alone else pricing.stack.bucket)


def filled_buckets(
    gradients: Sequence[tuple[GradientShare, ...]], strategy: Strategy, pricing: Pricing
) -> Iterator[tuple[slice, tuple[GradientShare, ...]]]:
    """Blocks in the order of a backward pass, cut where a bucket is ready, with the gradients that are sent.

    Gradients of every group of replicas fill buckets of their own, because one collective adds up those of
    one group; :func:`bucket_cuts` says when they are sent.
    """
    groups = dict.fromkeys(share.group for shares in gradients for share in shares)
    numbers = {
        group: number for number, group in enumerate(groups) if replica_group(group, strategy).size > 1
    }
    known = list(groups)
    sizes = [
        [(numbers[share.group], share.parameters) for share in shares if share.group in numbers]
        for shares in gradients
    ]
    for part, sent in bucket_cuts(sizes, pricing):
        yield part, tuple(_joined(known[number], gradients[blocks]) for number, blocks in sent)


def _joined(group: Group, gradients: Sequence[tuple[GradientShare, ...]]) -> GradientShare:
    """What some blocks hold of a group."""
    own = [share for shares in gradients for share in shares if share.group == group]
    return reduce(joined_share, own) if own else GradientShare(group, 0.0, 0)


def bucket_cuts(
    sizes: Sequence[Sequence[tuple[int, float]]], pricing: Pricing
) -> Iterator[tuple[slice, list[tuple[int, slice]]]]:
    """Consecutive blocks up to a ready bucket, and which groups send the gradients of which blocks then.

    A group's rest is sent with its last gradient, or at the end of the pass.

    Args:
        sizes: by block in the order of the pass, its groups of replicas by number with their elements.
        pricing: says how large a bucket is.
    """
    lasts = {number: index for index, block in enumerate(sizes) for number, size in block if size > 0}
    end = max(lasts.values(), default=-1)
    bucket, element = pricing.stack.bucket, gradient_element(pricing)
    since, held = (
        dict.fromkeys(lasts, 0),
        dict.fromkeys(lasts, 0.0),
    )  # first block and elements that wait
    first = 0
    for index, block in enumerate(sizes[: end + 1]):
        ready = []
        for number, size in block:
            if number not in held:
                continue
            held[number] += size
            if held[number] * element >= bucket or index == lasts[number] < end:
                ready.append((number, slice(since[number], index + 1)))
                since[number], held[number] = index + 1, 0.0
        if not ready:
            continue
        if index == end:  # no gradient comes after it
            ready += [(number, slice(since[number], index + 1)) for number, size in held.items() if size > 0]
            held.clear()
        yield slice(first, index + 1), ready
        first = index + 1
    if first < len(sizes):
        yield slice(first, len(sizes)), [(number, slice(since[number], len(sizes))) for number in held]


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


def segment_ends(works: Sequence[Work], stack: Stack) -> list[float]:
    """[s] from the beginning of a pass at which each of its segments ends, given the work of each.

    A segment has ended when the device has run all up to it and the host has launched it, so nothing ends
    later on a faster device. What the software adds to a pass comes first.
    """
    busy = accumulate(work.busy for work in works)
    host = accumulate(host_time(work, stack) for work in works)
    return [pass_seconds(device, launched, stack) for device, launched in zip(busy, host, strict=True)]


def _work(group: Blocks, phases: Phase) -> Work:
    return sum((work for _, work in stage_works(group, phases)), Work())


def _scaled(cost: PassCost, share: float) -> PassCost:
    parts = tuple((cause, seconds * share) for cause, seconds in cost.parts)
    return PassCost(duration=cost.duration * share, parts=parts)
