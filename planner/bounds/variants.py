"""Ways to shard a shape's candidates: the segments of their passes and what each gathers or reduces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from planner.space.prices import Floats
from planner.space.shapes import Blocks, Shape
from simdl.communication import Group
from simdl.kernels.pricing import Pricing
from simdl.step.costs.gradients import (
    GradientShare,
    expert_group,
    gathers,
    reductions,
    share_shards,
    total_seconds,
    uniform_share,
)
from simdl.step.costs.step_cost import copies_sum, shard_of
from simdl.step.lowering.segments import bucket_cuts, segment_parts
from workloads.amounts import as_number

Parts = list[tuple[slice, float, float]]
"""Segments of a stage: its blocks, and the elements that all replicas and that those of experts exchange."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Messages:
    """Of one variant, [kinds] seconds: of all messages of a pass of a stage, of the first and of the last."""

    total: Floats
    first: Floats
    last: Floats


class Segments:
    """The segments in which every kind of stage runs its blocks, and what each gathers or reduces."""

    def __init__(self, chains: Sequence[Blocks], parts: Sequence[Parts]) -> None:
        self.begins = [blocks[found[0][0]] for blocks, found in zip(chains, parts, strict=True)]
        sums = [(plain, experts) for found in parts for _, plain, experts in found]
        ends = np.cumsum([len(found) for found in parts])
        self._starts, self._ends = np.array([0, *ends[:-1]]), ends - 1
        distinct = {each: number for number, each in enumerate(dict.fromkeys(sums))}
        self.plain, self.experts = np.array(list(distinct)).T
        self._places = np.array([distinct[each] for each in sums])

    def messages(self, times: Floats) -> Messages:
        """What messages take, given [sizes] seconds of each."""
        each = times[self._places]
        return Messages(
            total=np.add.reduceat(each, self._starts), first=each[self._starts], last=each[self._ends]
        )


class Variant:
    """One way of sharding a shape's candidates."""

    def __init__(
        self, shape: Shape, number: int, pricing: Pricing, segments: dict[tuple[object, ...], Segments]
    ) -> None:
        stack, strategy = pricing.stack, shape.variants[number]
        self.shape, self.strategy, self.pricing = shape, strategy, pricing
        self.scattered = strategy.zero >= 2 and strategy.shards_state
        self.sharded = strategy.zero == 3 and strategy.shards_state
        self.reduces = strategy.replicas > 1 or bool(
            strategy.expert_replicas > 1 and shape.experts[number].any()
        )
        self.beside = self.scattered or (self.reduces and stack.gradient_overlap)
        self.ahead = strategy.zero in (1, 2) and strategy.shards_state and stack.parameter_overlap
        self.expert_group = expert_group(shard_of(strategy))
        self.plain_group = uniform_share(0.0, strategy).group
        self._number, self._segments = number, segments

    @property
    def key(self) -> tuple[object, ...]:
        """What the segments of a pass hang on."""
        one = self.strategy
        return one.tp, one.ep, one.etp, one.replicas > 1, one.expert_replicas > 1, self.scattered

    @property
    def backward(self) -> Segments:
        """Of a pass that completes gradients."""
        return self._cut(True, self.scattered)

    @property
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
        """Blocks of a stage as segments, with what each sends."""
        if not back or alone or not any(experts):
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

    @property
    def _groups(self) -> tuple[Group, Group]:
        return self.plain_group, self.expert_group

    def expert_shards(self) -> int:
        """Ranks over which ZeRO divides one copy of experts."""
        return max(1, share_shards(self.expert_group, self.strategy))

    def reductions(self, *, last: bool) -> Messages:
        """Of backward passes."""
        cut = self.backward
        return cut.messages(self.reduce_times(cut.plain, cut.experts, copies=last))

    def gathers(self) -> Messages:
        """Of forward passes."""
        cut = self.forward
        return cut.messages(self.gather_times(cut.plain, cut.experts))

    def reduce_times(self, plain: Floats, experts: Floats, *, copies: bool = True) -> Floats:
        """[n] seconds to reduce so many gradients."""
        return self._times(
            plain,
            experts,
            lambda share: total_seconds(reductions((share,), self.strategy, self.pricing, copies=copies)),
        )

    def gather_times(self, plain: Floats, experts: Floats) -> Floats:
        """[n] seconds to gather so many parameters."""
        return self._times(
            plain, experts, lambda share: total_seconds(gathers((share,), self.strategy, self.pricing))
        )

    def copies_seconds(self, plain: float, experts: float, rank: int) -> float:
        """[s] to add up the gradients of stages that two pipeline ranks hold."""
        shares = [
            GradientShare(group, size) for group, size in zip(self._groups, (plain, experts), strict=True)
        ]
        held = [share for share in shares if share.parameters > 0]
        return copies_sum(held, rank, self.strategy, self.pricing).seconds

    def _times(self, plain: Floats, experts: Floats, seconds: Callable[[GradientShare], float]) -> Floats:
        found: Floats = np.zeros(len(plain))
        for group, sizes in zip(self._groups, (plain, experts), strict=True):
            if sizes.any():
                found = found + np.where(sizes > 0, seconds(GradientShare(group, as_number(sizes))), 0.0)
        return found
