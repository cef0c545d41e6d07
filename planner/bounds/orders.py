"""The orders of a shape's candidates in short: which rank runs which stage, and what lives together."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from planner.space.candidates import Integers, distinct
from planner.space.prices import Floats, Prices
from planner.space.shapes import Shape
from simdl.communication import Hop
from simdl.memory.moments import brief_needs, frees_blocks
from simdl.pipelines.lags import Lags, lags
from simdl.pipelines.live import Live
from simdl.pipelines.outline import Outline, live_activations, outline
from simdl.pipelines.remembered import remembered


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placement:
    """Which pipeline rank runs which stage.

    Attributes:
        place: [copies x stages, flat] pipeline rank of every stage.
        chain: [copies x stages, flat] its place in the chain of layers.
        first: [copies x ranks] the first stage of each copy on every rank.
        owned: [ranks x stages of a rank] the places in the chain of all its stages.
        in_turn: every stage is held once, and ranks take them in turn.
    """

    place: Integers
    chain: Integers
    first: Integers
    owned: Integers
    in_turn: bool

    def firsts(self, values: Floats) -> Floats:
        """[n x ranks] of the first stage of every rank, of the first copy, of [n x stages] values."""
        return values[:, : len(self.owned)] if self.in_turn else values[:, self.first[0]]

    def by_owner(self, values: Floats) -> Floats:
        """[... x ranks x stages of a rank] of [... x stages] values."""
        ranks, each = self.owned.shape
        if self.in_turn and each < ranks:  # no copy; short rows are slower than one
            return values.reshape(*values.shape[:-1], each, ranks).swapaxes(-1, -2)
        return values[..., self.owned]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankClasses:
    """Ranks whose stages and neighbours are of the same kinds: nothing but their place tells them apart.

    Attributes:
        which: [ranks] class of each.
        ranks: [classes] one of each.
        sorted: [ranks] all, class by class.
        starts: [classes] where those of each class begin among them.
        in_order: sorted so they are in the order of the pipeline.
    """

    which: Integers
    ranks: Integers
    sorted: Integers
    starts: Integers
    in_order: bool

    def largest(self, values: Floats) -> Floats:
        """[... x classes] the largest of [... x ranks] values of each class."""
        in_order = values if self.in_order else values[:, self.sorted]
        if len(self.starts) == len(self.sorted):
            return in_order
        found: Floats = np.maximum.reduceat(in_order, self.starts, axis=1)
        return found


@remembered(4096)
def placement(name: str, ranks: int, virtual_stages: int) -> Placement:
    """The placement of a schedule."""
    found = outline(name, ranks, virtual_stages)
    place = np.array(found.place)
    chain = np.arange(len(place)) % (ranks * virtual_stages)
    by_copy = place.reshape(found.pipeline.copies, -1)
    return Placement(
        place=place,
        chain=chain,
        first=np.argsort(by_copy, axis=1, kind="stable")[:, :: by_copy.shape[1] // ranks],
        owned=chain[np.argsort(place, kind="stable")].reshape(ranks, -1),
        in_turn=len(place) == len(chain) and bool((place == np.arange(len(place)) % ranks).all()),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShapeOrder:
    """What candidates of one shape share of their orders, and what hangs on their microbatches.

    Attributes:
        outline: of the schedule.
        placement: of its stages.
        live: of its orders; longer ones often hold no more.
        held: [lanes x cuts] which of them each has; -1 for cuts that no candidate of a lane has.
    """

    outline: Outline
    placement: Placement
    live: tuple[Live, ...]
    held: Integers

    @property
    def splits(self) -> bool:
        """Whether other passes complete the gradients than those that send them back."""
        return self.outline.splits

    @property
    def copies(self) -> int:
        """How often a replica holds every stage."""
        return self.outline.pipeline.copies

    @property
    def synchronised(self) -> bool:
        """Whether a step ends for all ranks together."""
        return self.outline.pipeline.synchronised

    @property
    def updates_often(self) -> bool:
        """Whether every microbatch updates the weights."""
        return not self.outline.pipeline.flushes

    def stashed(self, ranks: int) -> list[int]:
        """Older versions of its weights that every rank holds."""
        return [self.outline.pipeline.versions(rank, ranks) - 1 for rank in range(ranks)]

    def by_rank(self, values: Floats, ranks: int) -> Floats:
        """[... x ranks] sums over the stages of each rank, of all copies, of [... x stages] values."""
        if len(self.placement.place) == ranks == values.shape[-1]:
            return values
        found: Floats = self.placement.by_owner(values).sum(axis=-1)
        return found

    def of_lanes(self, lanes: Integers) -> "ShapeOrder":
        """The orders of some lanes."""
        return replace(self, held=self.held[lanes])

    def in_flight(self) -> Integers:
        """[lanes and cuts x ranks] largest number of live activations of the first stage of every rank."""
        return self._of_cuts([each.counts[:, :, 0].max(axis=1) for each in self.live])

    def last_live(self) -> Integers:
        """[lanes and cuts] largest number of live activations of the last stage."""
        found = [each.counts.max(axis=1)[each.stages == each.stages.max()] for each in self.live]
        return self._of_cuts(found)[:, 0]

    def _of_cuts(self, numbers: list[Integers]) -> Integers:
        """[lanes and cuts x ranks] numbers of the order that each has; 0 for cuts that none has."""
        found: Integers = np.array([*numbers, np.zeros_like(numbers[0])]).T[:, self.held.ravel()].T
        return found


def rank_classes(shape: Shape, order: ShapeOrder, hops: tuple[Hop | None, ...]) -> RankClasses:
    """Classes of the ranks of a shape's candidates, given the hop from each stage to the next.

    The ranks at both ends and the one with the first stage stand alone; so do all that add up the gradients
    of stages that they hold twice, because how far they are apart tells them apart.
    """
    place, ranks = order.placement, shape.ranks
    alone = range(ranks) if order.copies > 1 else (0, ranks - 1, int(place.place[0]))
    numbers: dict[tuple[object, ...], int] = {}
    before = place.first[0] - 1
    kinds = np.concatenate([shape.kind[:, before], *shape.kind[:, place.owned].transpose(2, 0, 1)]).T.tolist()
    which = np.array(
        [
            numbers.setdefault(
                (rank if rank in alone else -1, hops[stage] if stage >= 0 else None, *own), len(numbers)
            )
            for rank, (stage, own) in enumerate(zip(before.tolist(), kinds, strict=True))
        ]
    )
    return grouped(which)


def taken(values: Floats, rows: Integers) -> Floats:
    """[n x stages] some rows, stage by stage as they lie in memory."""
    found: Floats = np.take(values.T, rows, axis=1).T
    return found


def grouped(which: Integers) -> RankClasses:
    """Classes of ranks, given the number of each one's class."""
    sorted_ranks = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[sorted_ranks], np.arange(which.max() + 1))
    return RankClasses(
        which=which,
        ranks=sorted_ranks[starts],
        sorted=sorted_ranks,
        starts=starts,
        in_order=bool((which[1:] >= which[:-1]).all()),
    )


def alike_columns(columns: Floats) -> tuple[Integers, Integers]:
    """First place of every distinct column, and which distinct column stands at each place."""
    keys = [column.tobytes() for column in np.ascontiguousarray(columns.T)]
    number = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    place = np.array([number[key] for key in keys])
    first = np.zeros(len(number), dtype=np.int64)
    first[place[::-1]] = np.arange(len(keys))[::-1]
    return first, place


def shape_orders(shape: Shape) -> ShapeOrder:
    """The orders of a shape's candidates."""
    strategy = shape.strategy
    name, ranks = strategy.schedule, strategy.pp
    used = np.zeros((len(shape.rows), shape.cuts), dtype=bool)
    used.ravel()[shape.with_cuts(shape.lane)] = True
    lanes, cuts = used.nonzero()
    counts, virtual = shape.microbatches[lanes], shape.virtual[cuts]
    first, place = distinct((virtual, counts))
    numbers: dict[tuple[int, bytes], int] = {}
    live: list[Live] = []
    which = []
    for stages, microbatches in zip(virtual[first].tolist(), counts[first].tolist(), strict=True):
        found = live_activations(name, ranks, microbatches, stages)
        which.append(numbers.setdefault((stages, found.counts.tobytes()), len(live)))
        if which[-1] == len(live):
            live.append(found)
    held = np.full(used.shape, -1)
    held[lanes, cuts] = np.array(which)[place]
    return ShapeOrder(
        outline=outline(name, ranks, strategy.virtual_stages),
        placement=placement(name, ranks, strategy.virtual_stages),
        live=tuple(live),
        held=held,
    )


def stage_lags(shape: Shape) -> Iterator[tuple[Lags, Integers]]:
    """Lags of a shape's orders, with the lanes and cuts that have them, where stages are cut unevenly.

    Where all stages between the first and the last are alike, round trips to the last one say as much.
    """
    strategy = shape.strategy
    if shape.kind.shape[1] == 1 or not shape.present.all():  # where stages are empty, all cuts are even
        return
    uneven = (shape.kind[:, 1:-1] != shape.kind[:, 1:2]).any(axis=1)
    if not uneven.any():
        return
    known: dict[int, tuple[Lags, list[Integers]]] = {}
    for count in sorted({*shape.microbatches.tolist()}):
        found = lags(strategy.schedule, strategy.pp, count, strategy.virtual_stages)
        if found is not None:
            lanes = np.flatnonzero(shape.microbatches == count)
            places = (lanes[:, None] * shape.cuts + np.flatnonzero(uneven)).ravel()
            known.setdefault(id(found), (found, []))[1].append(places)
    for found, members in known.values():
        yield found, np.concatenate(members)


def activation_bytes(shape: Shape, order: ShapeOrder, prices: Prices) -> Floats:
    """[lanes and cuts x ranks] bytes of activations that are live together at the peak of every rank."""
    saved = shape.spread(prices.saved[shape.rows] @ shape.counts)
    if order.placement.in_turn and saved.shape[1] == shape.ranks:  # most of one stage is most bytes
        return saved * order.in_flight()
    live = np.zeros((len(saved), shape.ranks), order="F")
    for number, each in enumerate(order.live):
        members = np.flatnonzero(order.held == number)
        own = saved[members[:, None, None], each.stages % saved.shape[1]]
        live[members] = np.matmul(own[:, :, None, :], each.counts.transpose(0, 2, 1)).max(axis=(2, 3))
    return live


def transient_bytes(shape: Shape, order: ShapeOrder, prices: Prices) -> Floats:
    """[lanes and cuts x ranks] bytes of the largest short-lived need, at its moment."""
    transient, saved = prices.transient[shape.rows], prices.saved[shape.rows]
    if frees_blocks(shape.strategy):
        kinds = brief_needs(transient, saved, shape.kinds)
    else:
        most = [transient[:, list({*blocks})].max(axis=1, initial=0.0) for blocks in shape.kinds]
        kinds = np.stack(most, axis=1)
    stages = shape.spread(kinds)
    found: Floats = order.placement.by_owner(stages).max(axis=2)
    return found
