"""Live activations: how many microbatches of which virtual stages a rank holds at once.

An activation lives from the start of a pass that acquires it to the end of the one that releases it. What a
rank holds at its peak depends on the bytes per stage, so the peaks are kept as counts by stage: those that no
other moment of the rank exceeds on every stage.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from simdl.pipelines.passes import Order, passes_of
from simdl.pipelines.pipeline import Pipeline

Counts = tuple[int, ...]


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


@lru_cache(maxsize=1024)
def pipeline_peaks(pipeline: Pipeline, ranks: int, microbatches: int, virtual: int) -> tuple[Peaks, ...]:
    """The peaks of every rank; those of a long step follow from two short ones (``Pipeline.settled``)."""
    if pipeline.moments is not None:
        return tuple(_in_closed_form(pipeline, ranks, microbatches, virtual))
    first = pipeline.settled(ranks, virtual) + (microbatches - pipeline.settled(ranks, virtual)) % ranks
    refused = any(pipeline.problems(ranks, first, virtual))
    if microbatches <= first + ranks or refused:
        return tuple(map(peaks_of, pipeline.build(ranks, microbatches, virtual)))
    short, longer = (pipeline_peaks(pipeline, ranks, first + more, virtual) for more in (0, ranks))
    periods = (microbatches - first) // ranks
    return tuple(_extended(a, b, periods) for a, b in zip(short, longer, strict=True))


def _in_closed_form(pipeline: Pipeline, ranks: int, microbatches: int, virtual: int) -> Iterator[Peaks]:
    assert pipeline.moments is not None  # noqa: S101 - asked before
    owned: list[list[int]] = [[] for _ in range(ranks)]
    for stage in range(pipeline.copies * ranks * virtual):
        owned[pipeline.place(stage, ranks, virtual)].append(stage)
    for stages, moments in zip(owned, pipeline.moments(ranks, microbatches, virtual).tolist(), strict=True):
        yield Peaks(stages=tuple(stages), counts=tuple(dict.fromkeys(map(tuple, moments))))


def _extended(short: Peaks, longer: Peaks, periods: int) -> Peaks:
    counts = tuple(
        tuple(a + periods * (b - a) for a, b in zip(before, after, strict=True))
        for before, after in zip(short.counts, longer.counts, strict=True)
    )
    return Peaks(stages=short.stages, counts=counts)
