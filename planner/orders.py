"""The orders of a shape's candidates in short: which rank runs which stage, and what lives together."""

from dataclasses import dataclass

import numpy as np

from planner.prices import Floats, Prices
from planner.shapes import Shape
from planner.space import Integers
from simdl.pipelines.outline import Outline, outline
from simdl.pipelines.passes import PassKind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShapeOrder:
    """What candidates of one shape share of their orders, and what hangs on their microbatches.

    Attributes:
        outlines: by number of microbatches, with the candidates [n] that have so many.
        in_flight: [n x stages] largest number of live activations of each stage.
        fresh: [n] forward passes of the first rank that come first or after gradients are complete.
    """

    outlines: tuple[tuple[Outline, Integers], ...]
    in_flight: Integers
    fresh: Integers

    @property
    def _any(self) -> Outline:
        return self.outlines[0][0]

    @property
    def kinds(self) -> tuple[PassKind, ...]:
        """Kinds of pass."""
        return self._any.kinds

    @property
    def overlaps(self) -> bool:
        """Whether passes run interleaved as one."""
        return self._any.overlaps

    @property
    def splits(self) -> bool:
        """Whether other passes complete the gradients than those that send them back."""
        return any(kind.completes and not kind.sends_back for kind in self.kinds)

    @property
    def copies(self) -> int:
        """How often a replica holds every stage."""
        return self._any.pipeline.copies

    @property
    def synchronised(self) -> bool:
        """Whether a step ends for all ranks together."""
        return self._any.pipeline.synchronised

    @property
    def place(self) -> Integers:
        """[copies x stages, flat] pipeline rank of every stage."""
        return np.array(self._any.place)

    @property
    def updates_often(self) -> bool:
        """Whether every microbatch updates the weights."""
        return not self._any.pipeline.flushes

    def stashed(self, ranks: int) -> list[int]:
        """Older versions of its weights that every rank holds."""
        return [self._any.pipeline.versions(rank, ranks) - 1 for rank in range(ranks)]

    def stages_of(self, rank: int) -> list[int]:
        """Stages, of the first copy, whose layers a rank holds."""
        chain = len(self.place) // self.copies
        return [stage % chain for stage in np.flatnonzero(self.place == rank).tolist()]

    def first_stages(self, ranks: int) -> Integers:
        """[copies x ranks] the first stage of each copy on every rank."""
        by_copy = self.place.reshape(self.copies, -1)
        return np.array([[np.flatnonzero(copy == rank)[0] for rank in range(ranks)] for copy in by_copy])


def shape_orders(shape: Shape) -> ShapeOrder:
    """The orders of a shape's candidates."""
    strategy, found = shape.strategy, []
    stages = 0
    for count in np.unique(shape.microbatches).tolist():
        each = outline(strategy.schedule, strategy.pp, count, strategy.virtual_stages)
        found.append((each, np.flatnonzero(shape.microbatches == count)))
        stages = len(each.place)
    flight = np.zeros((len(shape.rows), stages), dtype=np.int64)
    fresh = np.zeros(len(shape.rows), dtype=np.int64)
    for each, members in found:
        fresh[members] = each.fresh
        for rank in each.peaks:
            flight[np.ix_(members, rank.stages)] = np.array(rank.counts).max(axis=0)
    return ShapeOrder(outlines=tuple(found), in_flight=flight, fresh=fresh)


def activation_bytes(shape: Shape, order: ShapeOrder, prices: Prices) -> Floats:
    """[n x ranks] bytes of activations that are live together at the peak of every rank."""
    counts = shape.counts(prices.saved.shape[1]).T.astype(np.float64)
    saved = np.tile((prices.saved[shape.rows] @ counts)[:, shape.kind], order.copies)
    live = np.zeros((len(shape.rows), shape.ranks))
    for each, members in order.outlines:
        for rank, peak in enumerate(each.peaks):
            own = saved[np.ix_(members, peak.stages)]
            live[members, rank] = (own @ np.array(peak.counts).T).max(axis=1)
    return live


def transient_bytes(shape: Shape, order: ShapeOrder, prices: Prices) -> Floats:
    """[n x ranks] bytes of the largest short-lived need."""
    present = shape.counts(prices.transient.shape[1]) > 0
    kinds = np.stack([prices.transient[shape.rows][:, held].max(axis=1) for held in present], axis=1)
    largest = np.zeros((len(shape.rows), shape.ranks))
    for stage, rank in enumerate(order.place.tolist()):
        kind = shape.kind[stage % len(shape.kind)]
        largest[:, rank] = np.maximum(largest[:, rank], kinds[:, kind])
    return largest
