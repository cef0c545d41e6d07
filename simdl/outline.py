"""Outline: what memory and bounds read off a pipeline order without keeping it.

Which kinds of pass it has, which rank runs which stage, and how many activations live together. From some
number of microbatches on (:meth:`Pipeline.settled`) more of them only lengthen the steady state, so the
outline of a long order follows from two short ones; tests hold every registered schedule to that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simdl.pipelines import pipeline, pipeline_order
from simdl.pipelines.passes import Order, Overlap, PassKind, passes_of

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """A pipeline order in short.

    Attributes:
        kinds: of its passes.
        overlaps: whether passes run interleaved as one.
        place: [stages] pipeline rank of every virtual stage, of all copies.
        copies: how often a replica holds every stage.
        synchronised: whether all ranks wait for one another at the end of a step.
        live: per rank [moments x stages] numbers of activations that live together, at all moments that
            are not less in every stage than another.
    """

    kinds: tuple[PassKind, ...]
    overlaps: bool
    place: Integers
    copies: int
    synchronised: bool
    live: tuple[Integers, ...]

    @property
    def in_flight(self) -> Integers:
        """[stages] largest number of live activations of each stage."""
        found = np.zeros(len(self.place), dtype=np.int64)
        for counts in self.live:
            found = np.maximum(found, counts.max(axis=0))
        return found


@lru_cache(maxsize=4096)
def outline(name: str, ranks: int, microbatches: int, virtual_stages: int = 1) -> Outline:
    """The outline of :func:`simdl.pipelines.pipeline_order` with the same arguments.

    Raises:
        SimdlError: unknown name, or a size that the order does not take.
    """
    found = pipeline(name)
    settled, period = found.settled(ranks, virtual_stages), found.period(ranks, virtual_stages)
    beyond = (microbatches - settled) // period
    if beyond < 2:
        return _read(name, ranks, microbatches, virtual_stages)
    short = microbatches - beyond * period
    first, second = (_read(name, ranks, short + more * period, virtual_stages) for more in (0, 1))
    return Outline(
        kinds=first.kinds,
        overlaps=first.overlaps,
        place=first.place,
        copies=first.copies,
        synchronised=first.synchronised,
        live=tuple(a + beyond * (b - a) for a, b in zip(first.live, second.live, strict=True)),
    )


@lru_cache(maxsize=4096)
def _read(name: str, ranks: int, microbatches: int, virtual_stages: int) -> Outline:
    orders, found = pipeline_order(name, ranks, microbatches, virtual_stages), pipeline(name)
    stages = found.copies * ranks * virtual_stages
    kinds = {each.kind: None for order in orders for entry in order for each in passes_of(entry)}
    return Outline(
        kinds=tuple(kind for kind in PassKind if kind in kinds),
        overlaps=any(isinstance(entry, Overlap) for order in orders for entry in order),
        place=np.array([found.place(stage, ranks, virtual_stages) for stage in range(stages)]),
        copies=found.copies,
        synchronised=found.synchronised,
        live=tuple(_largest(order, stages) for order in orders),
    )


def _largest(order: Order, stages: int) -> Integers:
    """Live activations at the moments of an order that no other moment exceeds in every stage."""
    kept: list[tuple[int, ...]] = []
    for counts in _moments(order, stages):
        if not any(all(a <= b for a, b in zip(counts, other, strict=True)) for other in kept):
            kept = [o for o in kept if not all(a >= b for a, b in zip(counts, o, strict=True))]
            kept.append(counts)
    return np.array(kept or [(0,) * stages], dtype=np.int64)


def _moments(order: Order, stages: int) -> Iterator[tuple[int, ...]]:
    """Live activations at every local peak: an acquisition with a release after it."""
    live = [0] * stages
    rising = False
    for entry in order:
        passes = passes_of(entry)
        releases = [each.stage for each in passes if each.kind.releases]
        acquires = [each.stage for each in passes if each.kind.acquires]
        if releases and rising and not acquires:
            yield tuple(live)
            rising = False
        for stage in acquires:
            live[stage] += 1
            rising = True
        if releases and acquires:
            yield tuple(live)
            rising = False
        for stage in releases:
            live[stage] -= 1
    if rising:
        yield tuple(live)
