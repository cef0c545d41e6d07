"""Shapes: candidates that share a pipeline, so that one set of array operations bounds all of them.

A shape fixes schedule, pp, virtual stages, tp and cut; its candidates differ in context parallelism,
micro-batch, recomputation, sequence parallelism and sharding. Stages made of the same blocks are one *kind*.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from planner.prices import Prices
from planner.space import Integers, Space
from simdl.cut_set import cut_set
from simdl.pricing import Pricing
from simdl.stage import stage_blocks
from simdl.strategy import Strategy

Blocks = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """A pipeline and the candidates that run it.

    Attributes:
        variants: per way of sharding, a strategy that prices the collectives of its candidates (their dp x cp
            as dp, no context parallelism), and [n] their indices into the space.
        rows: [n] rows of prices, the same for every variant.
        microbatches: [n] per replica.
        kinds: distinct stages, each as the distinct blocks it holds in chain order.
        kind: [stages] index into ``kinds`` of each virtual stage.
    """

    variants: tuple[tuple[Strategy, Integers], ...]
    rows: Integers
    microbatches: Integers
    kinds: tuple[Blocks, ...]
    kind: Integers

    @property
    def strategy(self) -> Strategy:
        """What all candidates share, and the sharding of the first variant."""
        return self.variants[0][0]

    @property
    def ranks(self) -> int:
        """Pipeline ranks."""
        return self.strategy.pp

    def counts(self, distinct: int) -> Integers:
        """[kinds x distinct blocks] how often each block stands in each kind of stage."""
        return np.array([np.bincount(blocks, minlength=distinct) for blocks in self.kinds])


def enumerate_shapes(
    space: Space, prices: Prices, pricing: Pricing, *, cut: tuple[int, ...] = ()
) -> Iterator[Shape]:
    """Every shape of a space; together they hold each candidate once per cut.

    Args:
        space: the candidates.
        prices: of the space.
        pricing: what priced it.
        cut: blocks per stage of all candidates; () for all among which the automatic one is chosen.
    """
    for members in _alike((space.schedule, space.pp, space.virtual_stages, space.tp), np.arange(len(space))):
        variants = list(_alike((space.zero, space.shard_degree), members))
        chunks = int(space.pp[members[0]] * space.virtual_stages[members[0]])
        for one in (cut,) if cut else cut_set(pricing.network, chunks):
            yield _shape(variants, one, space, prices, pricing)


def _alike(columns: tuple[Integers, ...], members: Integers) -> Iterator[Integers]:
    """Members in groups that agree in all columns, each in the order given."""
    code = np.zeros(len(members), dtype=np.int64)
    for column in columns:
        code = code * (int(column.max(initial=0)) + 1) + column[members]
    order = np.argsort(code, kind="stable")
    splits = np.flatnonzero(np.diff(code[order])) + 1
    yield from np.split(members[order], splits) if len(members) else ()


def _shape(
    variants: list[Integers], cut: tuple[int, ...], space: Space, prices: Prices, pricing: Pricing
) -> Shape:
    stages = stage_blocks(pricing.network, cut)
    kinds = tuple(dict.fromkeys(stages))
    rows = prices.row[variants[0]]
    assert all(np.array_equal(prices.row[variant], rows) for variant in variants)  # noqa: S101 - our invariant
    return Shape(
        variants=tuple((_shared(space, int(variant[0])), variant) for variant in variants),
        rows=rows,
        microbatches=space.microbatches[variants[0]],
        kinds=kinds,
        kind=np.array([kinds.index(stage) for stage in stages]),
    )


def _shared(space: Space, first: int) -> Strategy:
    """What prices the collectives of all candidates that shard like this one."""
    return Strategy(
        dp=int(space.dp[first] * space.cp[first]),
        tp=int(space.tp[first]),
        pp=int(space.pp[first]),
        schedule=space.schedules[space.schedule[first]],
        virtual_stages=int(space.virtual_stages[first]),
        zero=int(space.zero[first]),
        shard_degree=int(space.shard_degree[first]),
    )
