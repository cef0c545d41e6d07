"""Shapes: candidates that share a pipeline, so that one set of array operations bounds all of them.

A shape fixes schedule, pp and virtual stages. Its *lanes* are the ways to run a microbatch through it, a row
of prices each; its *variants* the ways to shard what a rank holds (tp, ZeRO stage, shard degree); a candidate
has one of both. Cuts are an axis of their own: arrays over lanes, variants or candidates *and cuts* hold all
cuts of the first one, then all of the second, and so on. Stages made of the same blocks are one *kind*.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.space.candidates import Integers, Space, distinct
from planner.space.prices import Floats, Prices
from simdl.kernels.pricing import Pricing
from simdl.step.costs.stage import stage_blocks
from simdl.step.cuts.cut_set import cut_set
from simdl.step.strategy import Strategy

Blocks = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """A pipeline and the candidates that run it.

    Attributes:
        variants: a strategy each that prices the collectives of its candidates (their dp x cp as dp, no
            context parallelism).
        parameters: [variants x distinct blocks] elements of a rank before ZeRO that all replicas hold alike.
        experts: [variants x distinct blocks] those that replicas of experts hold, where these are others.
        rows: [lanes] rows of prices.
        microbatches: [lanes] per replica.
        candidates: [n] indices into the space.
        lane, variant: [n] of each candidate.
        kinds: distinct stages, each as the distinct blocks it holds in chain order.
        kind: [cuts x stages] index into ``kinds`` of each virtual stage.
    """

    variants: tuple[Strategy, ...]
    parameters: Floats
    experts: Floats
    rows: Integers
    microbatches: Integers
    candidates: Integers
    lane: Integers
    variant: Integers
    kinds: tuple[Blocks, ...]
    kind: Integers

    @property
    def strategy(self) -> Strategy:
        """What all candidates share, and the sharding of the first variant."""
        return self.variants[0]

    @property
    def ranks(self) -> int:
        """Pipeline ranks."""
        return self.strategy.pp

    @property
    def cuts(self) -> int:
        """Cuts of every candidate."""
        return len(self.kind)

    def only(self, kept: NDArray[np.bool_]) -> "Shape":
        """The shape with some of its candidates, and the lanes and variants that they use."""
        if kept.all():
            return self
        lanes, lane = np.unique(self.lane[kept], return_inverse=True)
        variants, variant = np.unique(self.variant[kept], return_inverse=True)
        return replace(
            self,
            variants=tuple(self.variants[number] for number in variants.tolist()),
            parameters=self.parameters[variants],
            experts=self.experts[variants],
            rows=self.rows[lanes],
            microbatches=self.microbatches[lanes],
            candidates=self.candidates[kept],
            lane=lane,
            variant=variant,
        )

    def counts(self) -> Floats:
        """[distinct blocks x kinds] how often each block stands in each kind of stage."""
        distinct = self.parameters.shape[1]
        found = [np.bincount(blocks, minlength=distinct) for blocks in self.kinds]
        return np.array(found, dtype=np.float64).T

    def spread(self, values: Floats) -> Floats:
        """[... and cuts x stages] values of the stages, given [... x kinds] those of their kinds."""
        found: Floats = values[:, self.kind].reshape(-1, self.kind.shape[1])
        return found

    def with_cuts(self, places: Integers) -> Integers:
        """Places in an array that has an entry for every cut, given those in one that has none."""
        if self.cuts == 1:
            return places
        found: Integers = (places[:, None] * self.cuts + np.arange(self.cuts)).ravel()
        return found


def enumerate_shapes(
    space: Space, prices: Prices, pricing: Pricing, *, cut: tuple[int, ...] = ()
) -> Iterator[Shape]:
    """Every shape of a space; together they hold each candidate once.

    Args:
        space: the candidates.
        prices: of the space.
        pricing: what priced it.
        cut: blocks per stage of all candidates; () for all among which the automatic one is chosen.
    """
    pipeline, members = distinct((space.schedule, space.pp, space.virtual_stages))
    order = np.argsort(members, kind="stable")
    starts = np.searchsorted(members[order], np.arange(len(pipeline) + 1)).tolist()
    for first, start, end in zip(pipeline.tolist(), starts, starts[1:], strict=False):
        chunks = int(space.pp[first] * space.virtual_stages[first])
        cuts = (cut,) if cut else cut_set(pricing.network, chunks)
        yield _shape(order[start:end], cuts, space, prices, pricing)


def _shape(
    members: Integers, cuts: tuple[tuple[int, ...], ...], space: Space, prices: Prices, pricing: Pricing
) -> Shape:
    columns = (space.tp, space.ep, space.etp, space.zero, space.shard_degree)
    shared, variant = distinct(tuple(column[members] for column in columns))
    rows, first, lane = np.unique(prices.row[members], return_index=True, return_inverse=True)
    stages = [stage_blocks(pricing.network, one) for one in cuts]
    kinds = {blocks: number for number, blocks in enumerate(dict.fromkeys(b for one in stages for b in one))}
    firsts = members[shared]
    apart = space.ep[firsts] * space.expert_tensor[firsts] != space.tp[firsts]
    experts = prices.experts[prices.row[firsts]] * apart[:, None]
    return Shape(
        variants=tuple(_shared(space, int(each)) for each in members[shared]),
        parameters=prices.parameters[prices.row[firsts]] - experts,
        experts=experts,
        rows=rows,
        microbatches=space.microbatches[members[first]],
        candidates=members,
        lane=lane,
        variant=variant,
        kinds=tuple(kinds),
        kind=np.array([[kinds[blocks] for blocks in one] for one in stages]),
    )


def _shared(space: Space, first: int) -> Strategy:
    """What prices the collectives of all candidates that shard like this one."""
    return Strategy(
        dp=int(space.dp[first] * space.cp[first]),
        tp=int(space.tp[first]),
        ep=int(space.ep[first]),
        etp=int(space.etp[first]),
        pp=int(space.pp[first]),
        schedule=space.schedules[space.schedule[first]],
        virtual_stages=int(space.virtual_stages[first]),
        zero=int(space.zero[first]),
        shard_degree=int(space.shard_degree[first]),
    )
