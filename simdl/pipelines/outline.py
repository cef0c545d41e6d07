"""Outline: what memory and bounds read off a pipeline order without keeping it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from simdl.pipelines import peaks, pipeline
from simdl.pipelines.passes import Order, Orders, Overlap, PassKind, passes_of
from simdl.pipelines.pipeline import Pipeline
from simdl.pipelines.steps import order_length

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """A pipeline order in short, whatever its length.

    Attributes:
        pipeline: the schedule.
        kinds: of its passes.
        overlaps: whether passes run interleaved as one.
        place: pipeline rank of every virtual stage, of all copies.
    """

    pipeline: Pipeline
    kinds: tuple[PassKind, ...]
    overlaps: bool
    place: tuple[int, ...]


@lru_cache(maxsize=4096)
def outline(name: str, ranks: int, virtual_stages: int = 1) -> Outline:
    """The outline of the orders of a schedule.

    Raises:
        SimdlError: unknown name.
    """
    found = pipeline(name)
    kinds, overlaps = _kinds(found, virtual_stages)
    return Outline(
        pipeline=found,
        kinds=kinds,
        overlaps=overlaps,
        place=tuple(
            found.place(stage, ranks, virtual_stages)
            for stage in range(found.copies * ranks * virtual_stages)
        ),
    )


@lru_cache(maxsize=1024)
def _kinds(found: Pipeline, virtual_stages: int) -> tuple[tuple[PassKind, ...], bool]:
    """Kinds of pass in the smallest pipeline that the schedule takes."""
    entries = [entry for order in next(_small_orders(found, virtual_stages), ()) for entry in order]
    kinds = {one.kind for entry in entries for one in passes_of(entry)}
    overlaps = any(isinstance(entry, Overlap) for entry in entries)
    return tuple(kind for kind in PassKind if kind in kinds), overlaps


def _small_orders(found: Pipeline, virtual_stages: int) -> Iterator[Orders]:
    few = dict.fromkeys((min(virtual_stages, 2), virtual_stages))  # more of them repeat the same passes
    for virtual, ranks, rounds in product(few, (4, 2, 3, 6, 8, 1), (4, 2, 1, 8)):
        if not any(found.problems(ranks, ranks * rounds, virtual)):
            yield found.build(ranks, ranks * rounds, virtual)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Live:
    """Live activations of an order.

    Attributes:
        stages: [ranks x stages of a rank] virtual stages that each rank runs, ascending.
        counts: [ranks x moments x stages of a rank] activations of each of them at the moments that can be
            the rank's peak.
    """

    stages: Integers
    counts: Integers


@lru_cache(maxsize=4096)
def live_activations(name: str, ranks: int, microbatches: int, virtual_stages: int = 1) -> Live:
    """What every rank holds at the peaks of an order, of all its steps where they run into one another.

    Raises:
        SimdlError: unknown name, or a size that the order does not take.
    """
    found = pipeline(name)
    microbatches = order_length(found, ranks, microbatches)
    if found.moments is not None:
        stages = np.argsort(outline(name, ranks, virtual_stages).place, kind="stable").reshape(ranks, -1)
        return Live(stages=stages, counts=found.moments(ranks, microbatches, virtual_stages))
    read = peaks(name, ranks, microbatches, virtual_stages)
    most = max(len(rank.counts) for rank in read)
    counts = [rank.counts + rank.counts[:1] * (most - len(rank.counts)) for rank in read]
    return Live(stages=np.array([rank.stages for rank in read]), counts=np.array(counts))


@lru_cache(maxsize=4096)
def fresh_passes(name: str, microbatches: int) -> int:
    """Forward passes of one rank alone that come first or right after a gradient is complete, at least.

    Raises:
        SimdlError: unknown name.
    """
    found = pipeline(name)
    short = min(microbatches, found.settled(1, 1))
    if any(reason for count in (short, short + 1) for reason in found.problems(1, count, 1)):
        return 1
    first, longer = (_fresh(found.build(1, count, 1)[0]) for count in (short, short + 1))
    return first + (microbatches - short) * (longer - first)


def _fresh(order: Order) -> int:
    before, count = True, 0
    for entry in order:
        passes = passes_of(entry)
        count += before and any(each.kind.acquires for each in passes)
        before = any(each.kind.completes for each in passes)
    return count
