"""Shapes: candidates that share a pipeline, so that one set of array operations bounds all of them.

A shape fixes schedule, pp, virtual stages, tp, sharding and cut; its candidates differ in context
parallelism, micro-batch, recomputation and sequence parallelism. Stages made of the same blocks are one
*kind*.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from planner.prices import Prices
from planner.space import SCHEDULES, Integers, Space
from simdl.block_cost import Pricing
from simdl.stage import even_cut, split_network, stage_blocks
from simdl.strategy import Strategy

Blocks = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """A pipeline and the candidates that run it.

    Attributes:
        strategy: prices collectives of every candidate: their dp x cp as dp, no context parallelism.
        candidates: [n] indices into the space.
        rows: [n] their rows of prices.
        microbatches: [n] per replica.
        kinds: distinct stages, each as the distinct blocks it holds in chain order.
        kind: [stages] index into ``kinds`` of each virtual stage.
    """

    strategy: Strategy
    candidates: Integers
    rows: Integers
    microbatches: Integers
    kinds: tuple[Blocks, ...]
    kind: Integers

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
    """Every shape of a space; together they hold each candidate once.

    Args:
        space: the candidates.
        prices: of the space.
        pricing: what priced it.
        cut: blocks per stage of all candidates; () for the default cut of each.
    """
    columns = (space.schedule, space.pp, space.virtual_stages, space.tp, space.zero, space.shard_degree)
    code = np.zeros(len(space), dtype=np.int64)
    for column in columns:
        code = code * (int(column.max(initial=0)) + 1) + column
    order = np.argsort(code, kind="stable")
    splits = np.flatnonzero(np.diff(code[order])) + 1
    for members in np.split(order, splits) if len(order) else ():
        if cut:
            yield _shape(members, cut, space, prices, pricing)
        else:
            yield from _cuts(members, space, prices, pricing)


def _cuts(members: Integers, space: Space, prices: Prices, pricing: Pricing) -> Iterator[Shape]:
    """One shape per distinct default cut of candidates that agree in everything else."""
    first = int(members[0])
    chunks = int(space.pp[first] * space.virtual_stages[first])
    even = even_cut(pricing.network, chunks)
    if even:
        yield _shape(members, even, space, prices, pricing)
        return
    rows, inverse = np.unique(prices.row[members], return_inverse=True)
    cuts = [split_network(pricing.network, chunks, prices.weight[row].tolist()) for row in rows]
    distinct = {cut: index for index, cut in enumerate(dict.fromkeys(cuts))}
    chosen = np.array([distinct[cut] for cut in cuts])[inverse]
    for cut, index in distinct.items():
        yield _shape(members[chosen == index], cut, space, prices, pricing)


def _shape(members: Integers, cut: tuple[int, ...], space: Space, prices: Prices, pricing: Pricing) -> Shape:
    stages = stage_blocks(pricing.network, cut)
    kinds = tuple(dict.fromkeys(stages))
    first = int(members[0])
    return Shape(
        strategy=Strategy(
            dp=int(space.dp[first] * space.cp[first]),
            tp=int(space.tp[first]),
            pp=int(space.pp[first]),
            schedule=SCHEDULES[space.schedule[first]],
            virtual_stages=int(space.virtual_stages[first]),
            zero=int(space.zero[first]),
            shard_degree=int(space.shard_degree[first]),
        ),
        candidates=members,
        rows=prices.row[members],
        microbatches=space.microbatches[members],
        kinds=kinds,
        kind=np.array([kinds.index(stage) for stage in stages]),
    )
