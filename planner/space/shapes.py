"""Shapes: candidates that share a pipeline, so that one set of array operations bounds all of them.

A shape fixes schedule and pp, and virtual stages but where every chunk is cut evenly and lies on the ranks in
the same order: then what has fewer stages has empty ones at its end, and numbers of virtual stages are cuts.
Its *lanes* are the ways to run a microbatch through it, a row of prices each; its *variants* the ways to
shard what a rank holds (tp, ZeRO stage, shard degree); a candidate has one of both. Cuts are an axis of their
own: arrays over lanes or variants *and cuts* hold all cuts of the first one, then all of the second, and so
on; those over candidates and cuts the cuts that each candidate may have. Stages made of the same blocks are
one *kind*.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from planner.space.candidates import Integers, Space, distinct, used
from planner.space.prices import Floats, Prices
from simdl.kernels.pricing import Pricing
from simdl.pipelines.outline import outline
from simdl.step.costs.stage import stage_blocks
from simdl.step.cuts.stage_cut import Cut
from simdl.step.strategy import Strategy

Blocks = tuple[int, ...]
Cuts = Callable[[str, int, int], Sequence[Cut]]
"""Schedule, pp and virtual stages per rank to cuts."""
_Part = tuple[Integers, int, list[tuple[Blocks, ...]]]
"""Candidates with the same virtual stages, how many these are per rank, and the stages of every cut."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Kinds:
    """Kinds of stage, and rows that price them.

    Attributes:
        blocks: number of distinct blocks.
        rows: [lanes] rows of prices.
        kinds: distinct stages, each as the distinct blocks it holds in chain order; () for an empty one.
    """

    blocks: int
    rows: Integers
    kinds: tuple[Blocks, ...]

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """[kinds] those that hold blocks."""
        return np.array([bool(blocks) for blocks in self.kinds])

    @cached_property
    def counts(self) -> Floats:
        """[distinct blocks x kinds] how often each block stands in each kind of stage."""
        return self.counted(self.kinds)

    def counted(self, parts: Sequence[Blocks]) -> Floats:
        """[distinct blocks x parts] how often each block stands in each of some parts of stages."""
        places = [block * len(parts) + number for number, blocks in enumerate(parts) for block in blocks]
        found = np.bincount(places, minlength=self.blocks * len(parts))
        return found.reshape(self.blocks, len(parts)).astype(np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape(Kinds):
    """A pipeline, its cuts, and the candidates that run it: their ways to run a microbatch and to shard.

    Attributes:
        ranks: pipeline ranks.
        microbatches: [lanes] per replica.
        candidates: [n] indices into the space.
        lane: [n] of each candidate.
        kind: [cuts x stages] index into ``kinds`` of each virtual stage.
        virtual: [cuts] virtual stages per rank.
        cut: [n] the first cut that each candidate may have.
        choices: cuts that each may have.
        variants: a strategy each that prices the collectives of its candidates (their dp x cp as dp, no
            context parallelism).
        parameters: [variants x distinct blocks] elements of a rank before ZeRO that all replicas hold alike.
        experts: [variants x distinct blocks] those that replicas of experts hold, where these are others.
        variant: [n] of each candidate.
    """

    ranks: int
    microbatches: Integers
    candidates: Integers
    lane: Integers
    kind: Integers
    virtual: Integers
    cut: Integers
    choices: int
    variants: tuple[Strategy, ...]
    parameters: Floats
    experts: Floats
    variant: Integers

    @property
    def strategy(self) -> Strategy:
        """What all candidates share, the sharding of the first variant, and the most virtual stages."""
        return self.variants[0]

    @property
    def cuts(self) -> int:
        """Cuts of all candidates."""
        return len(self.kind)

    def spread(self, values: Floats) -> Floats:
        """[... and cuts x stages] values of the stages, given [... x kinds] those of their kinds.

        Stage after stage in memory, as everything is that sums over stages.
        """
        found: Floats = values.T[self.kind.T].swapaxes(1, 2).reshape(self.kind.shape[1], -1).T
        return found

    def with_cuts(self, places: Integers) -> Integers:
        """Places in an array that has an entry for every cut, given [n] those in one that has none.

        Of every candidate those of the cuts that it may have.
        """
        if self.cuts == 1:
            return places
        found: Integers = ((places * self.cuts + self.cut)[:, None] + np.arange(self.choices)).ravel()
        return found

    def all_cuts(self, places: Integers) -> Integers:
        """Places in an array that has an entry for every cut, of all of them."""
        found: Integers = (places[:, None] * self.cuts + np.arange(self.cuts)).ravel()
        return found

    def only(self, kept: NDArray[np.bool_]) -> tuple["Shape", Integers]:
        """The shape with some of its candidates and the lanes and variants that they use, and those lanes."""
        lanes, lane = used(self.lane[kept], len(self.rows))
        variants, variant = used(self.variant[kept], len(self.variants))
        only = replace(
            self,
            variants=tuple(self.variants[number] for number in variants.tolist()),
            parameters=self.parameters[variants],
            experts=self.experts[variants],
            rows=self.rows[lanes],
            microbatches=self.microbatches[lanes],
            candidates=self.candidates[kept],
            lane=lane,
            variant=variant,
            cut=self.cut[kept],
        )
        return only, lanes


def enumerate_shapes(space: Space, prices: Prices, pricing: Pricing, *, cuts: Cuts) -> Iterator[Shape]:
    """Every pipeline of a space; together they hold each candidate once.

    Args:
        space: the candidates.
        prices: of the space.
        pricing: what priced it.
        cuts: that candidates of a schedule, pp and virtual stages per rank may have.
    """
    pipeline, members = distinct((space.schedule, space.pp, space.virtual_stages))
    order = np.argsort(members, kind="stable")
    starts = np.searchsorted(members[order], np.arange(len(pipeline) + 1)).tolist()
    alike: dict[tuple[str, int, tuple[int, ...]], list[_Part]] = {}
    for first, start, end in zip(pipeline.tolist(), starts, starts[1:], strict=False):
        name, pp = space.schedules[space.schedule[first]], int(space.pp[first])
        virtual = int(space.virtual_stages[first])
        stages = [stage_blocks(pricing.network, one) for one in cuts(name, pp, virtual)]
        key = _even_places(name, pp, virtual) if virtual > 1 and _is_even(stages) else (virtual,)
        alike.setdefault((name, pp, key), []).append((order[start:end], virtual, stages))
    for (name, pp, _), parts in alike.items():
        yield _shape(name, pp, parts, space, prices)


def _is_even(stages: list[tuple[Blocks, ...]]) -> bool:
    """Whether there is one cut, whose stages between the first and the last are alike."""
    return len(stages) == 1 and len({*stages[0][1:-1]}) <= 1


def _even_places(name: str, ranks: int, virtual_stages: int) -> tuple[int, ...]:
    """Ranks of the stages of a chunk where those of all are the same and orders are plain; else of all."""
    found = outline(name, ranks, virtual_stages)
    chunk = found.place[:ranks]
    return chunk if found.plain and found.place == chunk * virtual_stages else found.place


def _shape(name: str, ranks: int, parts: list[_Part], space: Space, prices: Prices) -> Shape:
    members = np.concatenate([each for each, *_ in parts])
    stages = [one for *_, of_it in parts for one in of_it]
    row = prices.row[members]
    rows, lane = used(row, len(prices.tp))
    microbatches = np.empty(len(prices.tp), dtype=np.int64)
    microbatches[row] = space.microbatches[members]
    width = max(map(len, stages))
    padded = [(*one, *((),) * (width - len(one))) for one in stages]
    kinds = {blocks: number for number, blocks in enumerate(dict.fromkeys(chain.from_iterable(padded)))}
    choices, virtual = len(parts[0][2]), [each for _, each, _ in parts]
    columns = (space.tp, space.ep, space.etp, space.zero, space.shard_degree)
    shared, variant = distinct(tuple(column[members] for column in columns))
    firsts = members[shared]
    apart = space.ep[firsts] * space.expert_tensor[firsts] != space.tp[firsts]
    experts = prices.experts[prices.row[firsts]] * apart[:, None]
    return Shape(
        ranks=ranks,
        blocks=prices.parameters.shape[1],
        rows=rows,
        microbatches=microbatches[rows],
        candidates=members,
        lane=lane,
        kinds=tuple(kinds),
        kind=np.fromiter(map(kinds.__getitem__, chain.from_iterable(padded)), np.int64).reshape(-1, width),
        virtual=np.repeat(virtual, choices),
        cut=np.repeat(choices * np.arange(len(parts)), [len(each) for each, *_ in parts]),
        choices=choices,
        variants=tuple(_shared(space, each, name, max(virtual)) for each in firsts.tolist()),
        parameters=prices.parameters[prices.row[firsts]] - experts,
        experts=experts,
        variant=variant,
    )


def _shared(space: Space, first: int, name: str, virtual_stages: int) -> Strategy:
    """What prices the collectives of all candidates that shard like this one."""
    return Strategy(
        dp=int(space.dp[first] * space.cp[first]),
        tp=int(space.tp[first]),
        ep=int(space.ep[first]),
        etp=int(space.etp[first]),
        pp=int(space.pp[first]),
        schedule=name,
        virtual_stages=virtual_stages,
        zero=int(space.zero[first]),
        shard_degree=int(space.shard_degree[first]),
    )
