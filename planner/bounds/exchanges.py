"""What replicas send one another, of all shapes at once: all messages of all ways of sharding together."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.bounds.variants import Messages, Segments, Variant, shape_ways
from planner.space.candidates import Integers
from planner.space.prices import Floats
from planner.space.shapes import Shape
from simdl.communication import Group
from simdl.kernels.pricing import Pricing
from simdl.step.costs.gradients import (
    Collective,
    ExpertGroup,
    GradientShare,
    share_gathers,
    share_reductions,
    share_shards,
    total_seconds,
)
from simdl.step.strategy import Strategy
from workloads.amounts import as_number, larger


@dataclass(frozen=True, slots=True, kw_only=True)
class SharingTable:
    """Ways of sharding as tables: :class:`simdl.step.costs.gradients.Sharing`, and the ranks that share.

    Attributes:
        dp, tp, pp, zero, shard_degree: of each strategy, its context parallelism counted as data parallelism.
        spread: ranks that hold one copy of all experts together.
    """

    dp: int
    tp: int
    pp: int
    zero: int
    shard_degree: int
    spread: int
    micro_batch: int = 1
    compression: str = ""

    @property
    def replicas(self) -> int:
        """Ranks that hold the same parameters before ZeRO."""
        return self.dp

    @property
    def plain_group(self) -> Group:
        """Ranks of one replica that hold what all replicas hold alike."""
        return Group(size=1, stride=self.tp)

    @property
    def expert_group(self) -> ExpertGroup:
        """Ranks of one replica and stage that hold the experts of one of them."""
        return ExpertGroup(size=self.tp, stride=self.spread, spread=self.spread)

    @property
    def shards(self) -> int:
        """Ranks over which ZeRO divides one copy of the rest."""
        return share_shards(self.plain_group, self)

    @property
    def expert_shards(self) -> int:
        """Ranks over which ZeRO divides one copy of experts."""
        return larger(1, share_shards(self.expert_group, self))


def sharing_table(strategies: Sequence[Strategy], counts: int | Integers = 1) -> SharingTable:
    """A row for each strategy, or as many as are told."""
    rows = [
        (one.dp, one.tp, one.pp, one.zero, one.shard_degree, one.ep * one.expert_tensor) for one in strategies
    ]
    dp, tp, pp, zero, degree, spread = np.repeat(np.array(rows, dtype=np.int64), counts, axis=0).T
    return SharingTable(
        dp=as_number(dp),
        tp=as_number(tp),
        pp=as_number(pp),
        zero=as_number(zero),
        shard_degree=as_number(degree),
        spread=as_number(spread),
    )


def reduce_seconds(
    sharing: SharingTable, plain: Floats, experts: Floats, pricing: Pricing, *, copies: bool = True
) -> Floats:
    """[n] seconds to reduce gradients of so many parameters, row by row, that all and that experts hold."""
    return _seconds(
        sharing, plain, experts, lambda share: share_reductions(share, sharing, pricing, copies=copies)
    )


def gather_seconds(sharing: SharingTable, plain: Floats, experts: Floats, pricing: Pricing) -> Floats:
    """[n] seconds to gather so many parameters, row by row."""
    return _seconds(sharing, plain, experts, lambda share: share_gathers(share, sharing, pricing))


def _seconds(
    sharing: SharingTable,
    plain: Floats,
    experts: Floats,
    collectives: Callable[[GradientShare], Iterable[Collective]],
) -> Floats:
    found = np.zeros(len(plain))
    for group, sizes in ((sharing.plain_group, plain), (sharing.expert_group, experts)):
        if sizes.any():
            found = found + total_seconds(collectives(GradientShare(group, as_number(sizes))))
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variants:
    """All ways of sharding a shape's candidates, and what each sends; 0 where it sends nothing of the kind.

    Attributes:
        shape: whose they are.
        each: of them.
        last: reductions beside passes that complete an update.
        early: those of earlier microbatches, where every one's gradients are scattered.
        gathers: before passes that wait for parameters.
    """

    shape: Shape
    each: list[Variant]
    last: Messages
    early: Messages
    gathers: Messages

    def which(self, name: str) -> NDArray[np.bool_]:
        """[variants] those of which something is true."""
        return np.array([getattr(each, name) for each in self.each])


def shape_variants(shapes: Sequence[Shape], pricing: Pricing) -> list[Variants]:
    """The ways of sharding of every shape."""
    found = [shape_ways(shape, pricing) for shape in shapes]

    def reduced(sharing: SharingTable, plain: Floats, experts: Floats) -> Floats:
        return reduce_seconds(sharing, plain, experts, pricing)

    def scattered(sharing: SharingTable, plain: Floats, experts: Floats) -> Floats:
        return reduce_seconds(sharing, plain, experts, pricing, copies=False)

    def gathered(sharing: SharingTable, plain: Floats, experts: Floats) -> Floats:
        return gather_seconds(sharing, plain, experts, pricing)

    kinds = (
        (reduced, lambda one: one.backward if one.beside else None),
        (scattered, lambda one: one.backward if one.scattered else None),
        (gathered, lambda one: one.forward if one.ahead or one.sharded else None),
    )
    sent = [_messages(found, cut, seconds) for seconds, cut in kinds]
    return [
        Variants(shape=shape, each=each, last=last, early=early, gathers=gathers)
        for shape, each, last, early, gathers in zip(shapes, found, *sent, strict=True)
    ]


def _messages(
    variants: list[list[Variant]],
    segments: Callable[[Variant], Segments | None],
    seconds: Callable[[SharingTable, Floats, Floats], Floats],
) -> list[Messages]:
    """What the segments of every variant of every shape send, if they send anything; priced together."""
    cuts = [[segments(one) for one in each] for each in variants]
    asked = [
        (one.strategy, cut)
        for each, own in zip(variants, cuts, strict=True)
        for one, cut in zip(each, own, strict=True)
        if cut is not None
    ]
    flat = _flat_messages(asked, seconds) if asked else np.zeros((4, 0))
    found, start = [], 0
    for each, own in zip(variants, cuts, strict=True):
        kinds = len(each[0].shape.kinds)
        places = [number for number, cut in enumerate(own) if cut is not None]
        table, end = np.zeros((4, len(each), kinds)), start + len(places) * kinds
        table[:, places] = flat[:, start:end].reshape(4, -1, kinds)
        found.append(Messages(*table))
        start = end
    return found


def _flat_messages(
    asked: list[tuple[Strategy, Segments]], seconds: Callable[[SharingTable, Floats, Floats], Floats]
) -> Floats:
    """[4 x kinds of all that ask] seconds of all of a pass, of its first, second and last segment."""
    cuts = [cut for _, cut in asked]
    sizes = [len(cut.sums) for cut in cuts]
    sharing = sharing_table([strategy for strategy, _ in asked], np.array(sizes))
    plain, experts = np.concatenate([cut.sums for cut in cuts]).T
    times = seconds(sharing, plain, experts)
    each = times[_joined([cut.places for cut in cuts], sizes)]
    starts = _joined([cut.starts for cut in cuts], [len(cut.places) for cut in cuts])
    ends = np.append(starts[1:], len(each)) - 1
    second = np.where(ends > starts, each[np.minimum(starts + 1, ends)], 0.0)
    return np.stack([np.add.reduceat(each, starts), each[starts], second, each[ends]])


def _joined(places: list[Integers], sizes: list[int]) -> Integers:
    """Places in arrays of these sizes as places in one that holds them all."""
    before = np.cumsum([0, *sizes[:-1]])
    found: Integers = np.concatenate(places) + np.repeat(before, [len(each) for each in places])
    return found
