"""Outline: what memory and bounds read off a pipeline order without keeping it."""

from dataclasses import dataclass
from functools import lru_cache

from simdl.pipelines import peaks, pipeline
from simdl.pipelines.live import Peaks
from simdl.pipelines.passes import Order, Overlap, PassKind, passes_of
from simdl.pipelines.pipeline import Pipeline
from simdl.pipelines.steps import order_length


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A pipeline order in short.

    Attributes:
        pipeline: the schedule.
        kinds: of its passes.
        overlaps: whether passes run interleaved as one.
        place: pipeline rank of every virtual stage, of all copies.
        fresh: forward passes of the first rank that come first or right after a gradient is complete.
        peaks: per rank the live activations at the moments that can be its peak.
    """

    pipeline: Pipeline
    kinds: tuple[PassKind, ...]
    overlaps: bool
    place: tuple[int, ...]
    fresh: int
    peaks: tuple[Peaks, ...]


@lru_cache(maxsize=4096)
def outline(name: str, ranks: int, microbatches: int, virtual_stages: int = 1) -> Outline:
    """The outline of :func:`simdl.pipelines.pipeline_order` with the same arguments.

    The peaks are those of all steps of a simulation where steps run into one another.

    Raises:
        SimdlError: unknown name, or a size that the order does not take.
    """
    found = pipeline(name)
    stages = found.copies * ranks * virtual_stages
    sizes = ranks, microbatches, virtual_stages
    short = _short(found, *sizes)
    order = found.build(ranks, short, virtual_stages)[0]
    return Outline(
        pipeline=found,
        kinds=_kinds(order),
        overlaps=any(isinstance(entry, Overlap) for entry in order),
        place=tuple(found.place(stage, ranks, virtual_stages) for stage in range(stages)),
        fresh=_fresh(order) + (microbatches - short) // ranks * _fresh_of_turn(found, order, *sizes),
        peaks=peaks(name, ranks, order_length(found, microbatches), virtual_stages),
    )


def _short(found: Pipeline, ranks: int, microbatches: int, virtual_stages: int) -> int:
    """Microbatches of a shorter step of which this one has a longer steady state, where there is one."""
    settled = found.settled(ranks, virtual_stages)
    short = settled + (microbatches - settled) % ranks
    fits = short < microbatches and not any(found.problems(ranks, short, virtual_stages))
    return short if fits else microbatches


def _kinds(order: Order) -> tuple[PassKind, ...]:
    kinds = {one.kind for entry in order for one in passes_of(entry)}
    return tuple(kind for kind in PassKind if kind in kinds)


def _fresh(order: Order) -> int:
    before, count = True, 0
    for entry in order:
        passes = passes_of(entry)
        count += before and any(each.kind.acquires for each in passes)
        before = any(each.kind.completes for each in passes)
    return count


def _fresh_of_turn(
    found: Pipeline, order: Order, ranks: int, microbatches: int, virtual_stages: int
) -> int:
    """How many more of them every further ``ranks`` microbatches bring, at least."""
    short = _short(found, ranks, microbatches, virtual_stages)
    if short == microbatches or any(found.problems(ranks, short + ranks, virtual_stages)):
        return 0
    return _fresh(found.build(ranks, short + ranks, virtual_stages)[0]) - _fresh(order)
