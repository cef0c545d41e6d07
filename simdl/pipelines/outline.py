"""Outline: what memory and bounds read off a pipeline order without keeping it."""

from dataclasses import dataclass
from functools import lru_cache

from simdl.pipelines import peaks, pipeline
from simdl.pipelines.live import Peaks
from simdl.pipelines.passes import Overlap, PassKind, passes_of
from simdl.pipelines.pipeline import Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A pipeline order in short.

    Attributes:
        pipeline: the schedule.
        kinds: of its passes.
        overlaps: whether passes run interleaved as one.
        place: pipeline rank of every virtual stage, of all copies.
        peaks: per rank the live activations at the moments that can be its peak.
    """

    pipeline: Pipeline
    kinds: tuple[PassKind, ...]
    overlaps: bool
    place: tuple[int, ...]
    peaks: tuple[Peaks, ...]


@lru_cache(maxsize=4096)
def outline(name: str, ranks: int, microbatches: int, virtual_stages: int = 1) -> Outline:
    """The outline of :func:`simdl.pipelines.pipeline_order` with the same arguments.

    Raises:
        SimdlError: unknown name, or a size that the order does not take.
    """
    found = pipeline(name)
    stages = found.copies * ranks * virtual_stages
    kinds, overlaps = _kinds(found, ranks, microbatches, virtual_stages)
    return Outline(
        pipeline=found,
        kinds=kinds,
        overlaps=overlaps,
        place=tuple(found.place(stage, ranks, virtual_stages) for stage in range(stages)),
        peaks=peaks(name, ranks, microbatches, virtual_stages),
    )


def _kinds(
    found: Pipeline, ranks: int, microbatches: int, virtual_stages: int
) -> tuple[tuple[PassKind, ...], bool]:
    """Kinds of pass of the first rank's order, in a shorter step where there is one."""
    settled = found.settled(ranks, virtual_stages)
    short = settled + (microbatches - settled) % ranks
    if short < microbatches and not any(found.problems(ranks, short, virtual_stages)):
        microbatches = short
    order = found.build(ranks, microbatches, virtual_stages)[0]
    kinds = {one.kind for entry in order for one in passes_of(entry)}
    overlaps = any(isinstance(entry, Overlap) for entry in order)
    return tuple(kind for kind in PassKind if kind in kinds), overlaps
