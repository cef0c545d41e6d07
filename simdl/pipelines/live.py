"""Live activations: how many microbatches of which virtual stages a rank holds at once.

An activation lives from the start of a pass that acquires it to the end of the one that releases it. What a
rank holds at its peak depends on the bytes per stage, so the peaks are kept as counts by stage: those that no
other moment of the rank exceeds on every stage.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simdl.pipelines.passes import Order, Orders, passes_of
from simdl.pipelines.pipeline import Pipeline

Counts = tuple[int, ...]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """The moments at which a rank may hold most.

    Attributes:
        stages: virtual stages of the rank, ascending.
        counts: per moment the live microbatches of each of these stages; no moment of the step exceeds all.
    """

    stages: tuple[int, ...]
    counts: tuple[Counts, ...]

    @property
    def total(self) -> int:
        """Largest number of activations of one microbatch and virtual stage that are live together."""
        return max(map(sum, self.counts))

    @property
    def by_stage(self) -> Mapping[int, int]:
        """Per virtual stage the largest number of live microbatches."""
        return dict(zip(self.stages, map(max, zip(*self.counts, strict=True)), strict=True))

    def largest(self, saved: Sequence[float]) -> float:
        """[bytes] live at the peak, given those of one microbatch by virtual stage."""
        own = [saved[stage] for stage in self.stages]
        return max(sum(n * size for n, size in zip(moment, own, strict=True)) for moment in self.counts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Live:
    """The peaks of all ranks.

    Attributes:
        stages: [ranks x stages of a rank] virtual stages that each rank runs, ascending.
        counts: [ranks x moments x stages of a rank] activations of each of them at the moments that can be
            the rank's peak; some moments may stand twice.
    """

    stages: Integers
    counts: Integers

    @property
    def by_rank(self) -> tuple[Peaks, ...]:
        """The peaks of each rank."""
        return tuple(
            Peaks(stages=tuple(stages), counts=tuple(dict.fromkeys(map(tuple, counts))))
            for stages, counts in zip(self.stages.tolist(), self.counts.tolist(), strict=True)
        )


def activation_events(order: Order) -> Iterator[tuple[int, int]]:
    """Stages as their activations come (+1) and go (-1), in order."""
    for entry in order:
        passes = passes_of(entry)
        for one in passes:
            if one.kind.acquires:
                yield one.stage, 1
        for one in passes:
            if one.kind.releases:
                yield one.stage, -1


def peaks_of(order: Order) -> Peaks:
    """The peaks of one rank."""
    stages = sorted({one.stage for entry in order for one in passes_of(entry)})
    place = {stage: number for number, stage in enumerate(stages)}
    live, moments, rising = [0] * len(stages), set(), False
    for stage, change in activation_events(order):
        if change < 0 and rising:
            moments.add(tuple(live))
        live[place[stage]] += change
        rising = change > 0
    return Peaks(stages=tuple(stages), counts=tuple(largest(moments)))


def largest(moments: Iterable[Counts]) -> Iterator[Counts]:
    """Those moments that no other exceeds on every stage, falling."""
    kept: list[Counts] = []
    for moment in sorted(moments, reverse=True):  # one that exceeds another on every stage comes before it
        if not any(all(a >= b for a, b in zip(other, moment, strict=True)) for other in kept):
            kept.append(moment)
            yield moment


@lru_cache(maxsize=4096)
def pipeline_live(pipeline: Pipeline, ranks: int, microbatches: int, virtual: int) -> Live:
    """The peaks of every rank, in closed form or by the order.

    Those of a long step follow from two short ones (``Pipeline.settled``).
    """
    if pipeline.moments is not None:
        place = [pipeline.place(stage, ranks, virtual) for stage in range(pipeline.copies * ranks * virtual)]
        owned = np.argsort(place, kind="stable").reshape(ranks, -1)
        return Live(stages=owned, counts=pipeline.moments(ranks, microbatches, virtual))
    settled = pipeline.settled(ranks, virtual)
    first = settled + (microbatches - settled) % ranks
    if microbatches <= first + ranks or any(pipeline.problems(ranks, first, virtual)):
        return _read(pipeline.build(ranks, microbatches, virtual))
    short, longer = (pipeline_live(pipeline, ranks, first + more, virtual) for more in (0, ranks))
    growth = (microbatches - first) // ranks * (longer.counts - short.counts)
    return Live(stages=short.stages, counts=short.counts + growth)


def _read(orders: Orders) -> Live:
    read = [peaks_of(order) for order in orders]
    most = max(len(rank.counts) for rank in read)
    counts = [rank.counts + rank.counts[:1] * (most - len(rank.counts)) for rank in read]
    return Live(stages=np.array([rank.stages for rank in read]), counts=np.array(counts))
