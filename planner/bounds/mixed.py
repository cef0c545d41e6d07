"""Bounds on a mixed cluster: those of the pipelines that its kinds of node make up, by the same relaxation.

A step is priced and lowered for every kind of node as if all were of it, and every task is taken from the
kind that its ranks stand on (:mod:`simdl.step.mixed`). So devices at the same place of every pipeline rank
run a program whose tasks take the seconds of their own kinds, or more where a collective waits for a slower
one: the step takes at least what a chain of stages with these seconds does. The largest over all such
pipelines (:func:`simdl.step.kinds.pipelines`) bounds the step; with pp 1 that is the largest over kinds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hardware.cluster import Cluster
from planner.bounds.chains import Chain, EntrySeconds, build_chain
from planner.bounds.ends import Ends
from planner.bounds.exchanges import Variants, shape_variants
from planner.bounds.exposure import Completions, Exposure, estimate_exposure
from planner.bounds.memory import memory_by_rank
from planner.bounds.orders import ShapeOrder, grouped, shape_orders
from planner.bounds.paths import path_ends
from planner.bounds.updates import update_seconds
from planner.space.candidates import Integers, Space
from planner.space.prices import Floats, Prices, price_space
from planner.space.shapes import Shape, enumerate_shapes
from simdl.kernels.pricing import Pricing
from simdl.memory.needs import usable_memory
from simdl.pipelines.skeleton import Key
from simdl.step.cuts.stage_cut import Cut
from simdl.step.kinds import held_by, pipelines
from simdl.step.lowering.inputs import least_input_time
from simdl.step.mixed import stage_cuts
from workloads.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MixedBounds:
    """What is known of every candidate with every cut that it may have; entry i of all arrays is of one.

    Attributes:
        candidate: index into the space.
        cut: index into ``cuts``.
        cuts: blocks per stage.
        short: [bytes] that the device with least room lacks; 0 or less where it fits.
        seconds: [s] that its step takes at least; infinite where it does not fit.
    """

    candidate: Integers
    cut: Integers
    cuts: tuple[Cut, ...]
    short: Floats
    seconds: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Side:
    """A shape as if all nodes were of one kind.

    Attributes:
        chain: of its stages.
        entries: what entries of its orders take.
        ways: of sharding it.
        update: [variants and cuts x ranks] seconds behind its passes.
        inputs: [candidates] seconds that its input pipeline takes at least.
        prices, pricing: of the kind of node.
    """

    chain: Chain
    entries: EntrySeconds
    ways: Variants
    update: Floats
    inputs: Floats
    prices: Prices
    pricing: Pricing


class _Joined:
    """What entries take whose stages stand on several kinds of node."""

    def __init__(self, sides: Sequence[_Side], kinds: Integers, stages: int) -> None:
        self._sides, self._kinds, self._stages = sides, kinds, stages

    def columns(self, entries: Sequence[Key], members: Integers) -> Floats:
        """As :meth:`planner.bounds.chains.EntrySeconds.columns`; an entry runs on one rank."""
        each = [side.entries.columns(entries, members).T for side in self._sides]
        own = np.array([self._kinds[entry[0][1]] for entry in entries], dtype=np.int64)
        passes = _chosen([columns[:, : len(own)] for columns in each], own)
        sent = [columns[:, len(own) :] for columns in each]
        ends = (self._kinds, _after(self._kinds, self._stages))
        return np.concatenate([passes, np.min([_chosen(sent, kinds) for kinds in ends], axis=0)], axis=1).T


def estimate_mixed_bounds(
    space: Space,
    workload: Workload,
    cluster: Cluster,
    pricings: Sequence[Pricing],
    *,
    cut: Cut = (),
) -> MixedBounds:
    """Bounds of all candidates of a space.

    Args:
        space: the candidates, of whatever kind of node.
        workload: what is computed.
        cluster: the mixed one.
        pricings: per part, of :func:`simdl.step.kinds.uniform_clusters`.
        cut: blocks per stage of all candidates; () for those of :func:`simdl.step.mixed.stage_cuts`.
    """

    def choices(name: str, ranks: int, virtual_stages: int) -> Sequence[Cut]:
        return (cut,) if cut else stage_cuts(pricings[0].network, cluster, name, ranks, virtual_stages)

    prices = [price_space(space, pricing) for pricing in pricings]
    shapes = [*enumerate_shapes(space, prices[0], pricings[0], cuts=choices)]
    orders = [shape_orders(shape) for shape in shapes]
    short = [
        _short(shape, order, prices, workload, cluster, pricings)
        for shape, order in zip(shapes, orders, strict=True)
    ]
    asked = [each <= 0.0 for each in short]
    wanted = [np.asarray(each.any(axis=1), dtype=np.bool_) for each in asked]
    kept = []
    for shape, order, own in zip(shapes, orders, wanted, strict=True):
        if own.any():
            only, lanes = shape.only(own)
            kept.append((only, order.of_lanes(lanes)))
    found = iter(_training(kept, space, prices, workload, cluster, pricings))
    seconds = [np.full(each.shape, np.inf) for each in asked]
    for each, own in zip(seconds, wanted, strict=True):
        if own.any():
            each[own] = next(found)
    candidate, which, cuts = _ways(shapes)
    return MixedBounds(
        candidate=candidate,
        cut=which,
        cuts=cuts,
        short=np.concatenate([each.ravel() for each in short]),
        seconds=np.concatenate(
            [np.where(one, times, np.inf).ravel() for one, times in zip(asked, seconds, strict=True)]
        ),
    )


def _ways(shapes: Sequence[Shape]) -> tuple[Integers, Integers, tuple[Cut, ...]]:
    """Of every candidate with every cut its index and that of the cut, and all cuts."""
    numbers: dict[Cut, int] = {}
    candidates, cuts = [], []
    for shape in shapes:
        sizes = [[len(shape.kinds[kind]) for kind in row] for row in shape.kind.tolist()]
        known = [numbers.setdefault(tuple(filter(None, each)), len(numbers)) for each in sizes]
        candidates.append(np.repeat(shape.candidates, shape.choices))
        cuts.append(np.array(known)[(shape.cut[:, None] + np.arange(shape.choices)).ravel()])
    return np.concatenate(candidates), np.concatenate(cuts), tuple(numbers)


def _short(  # noqa: PLR0917 - a shape, how it is priced, and on what
    shape: Shape,
    order: ShapeOrder,
    prices: Sequence[Prices],
    workload: Workload,
    cluster: Cluster,
    pricings: Sequence[Pricing],
) -> Floats:
    """[candidates x cuts] bytes that the device with least room lacks."""
    holders = held_by(cluster, shape.ranks)
    found = np.full(len(shape.candidates) * shape.choices, -np.inf)
    for kind, (own, pricing) in enumerate(zip(prices, pricings, strict=True)):
        ranks = [rank for rank, held in enumerate(holders) if kind in held]
        if ranks:
            need = memory_by_rank(shape, order, own, workload, pricing)[:, ranks].max(axis=1)
            found = np.maximum(found, need - usable_memory(pricing.stack, pricing.cluster.device))
    return found.reshape(-1, shape.choices)


def _training(  # noqa: PLR0917 - the question, and how its candidates are divided and priced
    timed: Sequence[tuple[Shape, ShapeOrder]],
    space: Space,
    prices: Sequence[Prices],
    workload: Workload,
    cluster: Cluster,
    pricings: Sequence[Pricing],
) -> list[Floats]:
    """Of every shape [candidates x cuts] seconds that a step takes at least."""
    shapes, orders = [shape for shape, _ in timed], [order for _, order in timed]
    ways = [shape_variants(shapes, pricing) for pricing in pricings]
    updates = [
        update_seconds(own, orders, workload, pricing) for own, pricing in zip(ways, pricings, strict=True)
    ]
    found = []
    for number, (shape, order) in enumerate(timed):
        own = space.only(shape.candidates)
        sides = [
            _Side(
                chain=build_chain(shape, order, prices[kind], pricing),
                entries=EntrySeconds(shape, order, prices[kind], pricing),
                ways=ways[kind][number],
                update=updates[kind][number],
                inputs=least_input_time(workload, pricing.cluster, own.dp, own.tp * own.cp),
                prices=prices[kind],
                pricing=pricing,
            )
            for kind, pricing in enumerate(pricings)
        ]
        each = [
            _pipeline_times(shape, order, sides, np.array(kinds)) for kinds in pipelines(cluster, shape.ranks)
        ]
        found.append(np.max(each, axis=0).reshape(-1, shape.choices))
    return found


def _pipeline_times(shape: Shape, order: ShapeOrder, sides: Sequence[_Side], kinds: Integers) -> Floats:
    """[candidates and cuts] seconds of a step whose pipeline ranks are of these kinds."""
    every, place = np.arange(shape.ranks), order.placement.place
    stages = shape.kind.shape[1]
    classes = grouped(every)
    chain = _joined_chain([side.chain for side in sides], kinds[place])
    paths = path_ends(shape, order, _Joined(sides, kinds[place], stages), sides[0].pricing)
    beside = [
        estimate_exposure(side.ways, classes, chain, side.update, side.prices, side.pricing) for side in sides
    ]
    seconds = Ends(shape, classes, chain, paths).step_times(_joined_exposure(beside, kinds, place))
    found: Floats = np.maximum(seconds, np.repeat(sides[kinds[place[0]]].inputs, shape.choices))
    return found


def _joined_chain(chains: Sequence[Chain], kinds: Integers) -> Chain:
    """The chain of stages of these kinds; a transfer takes no less than at either of its ends."""
    after = _after(kinds, chains[0].sent.shape[1])
    return replace(
        chains[0],
        forward=_least_of_copies([chain.forward for chain in chains], kinds),
        back=_least_of_copies([chain.back for chain in chains], kinds),
        rest=_least_of_copies([chain.rest for chain in chains], kinds),
        sent=np.minimum(
            *(_least_of_copies([chain.sent for chain in chains], each) for each in (kinds, after))
        ),
    )


def _joined_exposure(each: Sequence[Exposure], kinds: Integers, place: Integers) -> Exposure:
    """What every rank takes beside its passes as one of its kind.

    Gathers hold up stage after stage, so how long they do is known where all are of one kind alone; so is
    what the collectives of the busiest rank take one after another.
    """
    first = each[int(kinds[0])]
    if len({*kinds.tolist()}) == 1:
        return first
    by_rank = dict.fromkeys(("after_passes", "after_back", "after_last", "lane"), kinds)
    known = [one.completions for one in each if one.completions is not None]
    by_stage = {"turns": kinds[place], "reductions": kinds[place], "update": kinds}
    return replace(
        first,
        **_columns(each, by_rank),
        late=None,
        floor=np.zeros_like(first.floor),
        completions=Completions(**_columns(known, by_stage)) if len(known) == len(each) else None,
    )


def _columns(each: Sequence[Exposure | Completions], kinds: Mapping[str, Integers]) -> dict[str, Floats]:
    """By name the columns of the kinds that stand there."""
    return {name: _chosen([getattr(one, name) for one in each], own) for name, own in kinds.items()}


def _chosen(each: Sequence[Floats], kinds: Integers) -> Floats:
    """[... x n] columns of the arrays of the kinds that stand there."""
    found = each[0].copy()
    for number, values in enumerate(each):
        found[..., kinds == number] = values[..., kinds == number]
    return found


def _least_of_copies(each: Sequence[Floats], kinds: Integers) -> Floats:
    """[... x stages] the least of what a stage takes on the ranks of all copies of it."""
    copies = kinds.reshape(-1, each[0].shape[-1])
    found: Floats = np.min([_chosen(each, copy) for copy in copies], axis=0)
    return found


def _after(kinds: Integers, stages: int) -> Integers:
    """The kinds that the next stages stand on; for the last stage of a copy its own."""
    copies = kinds.reshape(-1, stages)
    return np.concatenate([copies[:, 1:], copies[:, -1:]], axis=1).ravel()
