"""Ways to shard a shape's candidates: the segments of their passes and what each gathers or reduces."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate

import numpy as np

from planner.space.prices import Floats
from planner.space.shapes import Blocks, Shape
from simdl.kernels.pricing import Pricing
from simdl.step.costs.gradients import GradientShare, expert_group, uniform_group
from simdl.step.costs.step_cost import copies_sum, shard_of
from simdl.step.lowering.segments import bucket_cuts, segment_parts

Parts = Sequence[tuple[slice, float, float]]
"""Segments of a stage: its blocks, and the elements that all replicas and that those of experts exchange."""


@dataclass(frozen=True, slots=True, eq=False)
class Messages:
    """[variants x kinds] seconds of messages: of a pass of a stage, of its first, second and last segment."""

    total: Floats
    first: Floats
    second: Floats
    last: Floats


class Segments:
    """The segments in which every kind of stage runs its blocks.

    Attributes:
        begins, ends: [kinds] blocks of the first and of the last segment of the pass.
        sums: [sizes x 2] the distinct sizes of messages: elements that all replicas and that those of
            experts exchange.
        places: [segments] which of them each segment sends, kind after kind.
        starts: [kinds] the first segment of each.
    """

    def __init__(self, chains: Sequence[Blocks], parts: Sequence[Parts]) -> None:
        self.begins = [blocks[found[0][0]] for blocks, found in zip(chains, parts, strict=True)]
        self.ends = [blocks[found[-1][0]] for blocks, found in zip(chains, parts, strict=True)]
        sums = [(plain, experts) for found in parts for _, plain, experts in found]
        distinct = {each: number for number, each in enumerate(dict.fromkeys(sums))}
        self.sums = np.array(list(distinct))
        self.places = np.array([distinct[each] for each in sums])
        self.starts = np.array([*accumulate((len(found) for found in parts[:-1]), initial=0)])


class Variant:
    """One way of sharding a shape's candidates.

    Attributes:
        key: what the segments of a pass hang on.
    """

    def __init__(
        self, shape: Shape, number: int, pricing: Pricing, segments: dict[tuple[object, ...], Segments]
    ) -> None:
        stack, strategy = pricing.stack, shape.variants[number]
        self.shape, self.strategy, self.pricing = shape, strategy, pricing
        self.scattered = strategy.zero >= 2 and strategy.shards_state
        self.sharded = strategy.zero == 3 and strategy.shards_state
        spread = strategy.expert_replicas > 1
        self.reduces = strategy.replicas > 1 or (spread and bool(shape.experts[number].any()))
        self.beside = self.scattered or (self.reduces and stack.gradient_overlap)
        kept = strategy.zero in {1, 2} and strategy.shards_state
        self.ahead, self.fetches = kept and stack.parameter_overlap, kept and not stack.parameter_overlap
        self.key = (
            *(strategy.tp, strategy.ep, strategy.etp),
            *(strategy.replicas > 1, strategy.expert_replicas > 1, self.scattered),
        )
        self._number, self._segments = number, segments

    @cached_property
    def backward(self) -> Segments:
        """Of a pass that completes gradients."""
        return self._cut(True, self.scattered)

    @cached_property
    def forward(self) -> Segments:
        """Of a pass that waits for parameters."""
        return self._cut(False, self.sharded)

    def _cut(self, back: bool, alone: bool) -> Segments:
        key = *self.key, back, alone
        if key not in self._segments:
            kinds = self.shape.kinds
            chains = [blocks[::-1] for blocks in kinds] if back else kinds
            plain, experts = (
                each[self._number].tolist() for each in (self.shape.parameters, self.shape.experts)
            )
            parts = [
                self._parts([plain[b] for b in blocks], [experts[b] for b in blocks], back=back, alone=alone)
                for blocks in chains
            ]
            self._segments[key] = Segments(chains, parts)
        return self._segments[key]

    def _parts(self, plain: list[float], experts: list[float], *, back: bool, alone: bool) -> Parts:
        """Blocks of a stage as segments, with what each sends; an empty stage has one that sends nothing."""
        if not plain:
            return [(slice(0, 0), 0.0, 0.0)]
        if not any(experts):
            return _plain_parts(tuple(plain), self.pricing, alone)
        if not back or alone:
            sizes = [one + other for one, other in zip(plain, experts, strict=True)]
            found = segment_parts(sizes, self.pricing, alone=alone)
            return [(part, sum(plain[part]), sum(experts[part])) for part in found]
        exchanged = [self.strategy.replicas > 1, self.strategy.expert_replicas > 1]
        columns = [
            (number, column)
            for number, (column, several) in enumerate(zip((plain, experts), exchanged, strict=True))
            if several
        ]
        held = [
            [(number, column[index]) for number, column in columns if not number or column[index]]
            for index in range(len(plain))
        ]
        return [self._sent(part, sent, plain, experts) for part, sent in bucket_cuts(held, self.pricing)]

    @staticmethod
    def _sent(
        part: slice, sent: list[tuple[int, slice]], plain: list[float], experts: list[float]
    ) -> tuple[slice, float, float]:
        sums = {0: 0.0, 1: 0.0}
        for number, blocks in sent:
            sums[number] += sum((experts if number else plain)[blocks])
        return part, sums[0], sums[1]

    def copies_seconds(self, plain: float, experts: float, rank: int) -> float:
        """[s] to add up the gradients of stages that two pipeline ranks hold."""
        shares = [
            GradientShare(group, size)
            for group, size in (
                (uniform_group(self.strategy), plain),
                (expert_group(shard_of(self.strategy)), experts),
            )
        ]
        held = [share for share in shares if share.parameters > 0]
        return copies_sum(held, rank, self.strategy, self.pricing).seconds


@lru_cache(maxsize=4096)
def _plain_parts(plain: tuple[float, ...], pricing: Pricing, alone: bool) -> Parts:
    """Segments of a stage without experts: stages of many shapes hold the same blocks."""
    return [(part, sum(plain[part]), 0.0) for part in segment_parts(plain, pricing, alone=alone)]


def shape_ways(shape: Shape, pricing: Pricing) -> list[Variant]:
    """Every way of sharding a shape's candidates."""
    segments: dict[tuple[object, ...], Segments] = {}
    return [Variant(shape, number, pricing, segments) for number in range(len(shape.variants))]
