"""Outline: what memory and bounds read off a pipeline order without keeping it."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from simdl.pipelines import pipeline
from simdl.pipelines.live import Live, pipeline_live
from simdl.pipelines.passes import Order, Overlap, PassKind, passes_of
from simdl.pipelines.pipeline import Pipeline
from simdl.pipelines.remembered import remembered
from simdl.pipelines.steps import order_length


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

    @property
    def splits(self) -> bool:
        """Whether other passes complete the gradients than those that send them back."""
        return any(kind.completes and not kind.sends_back for kind in self.kinds)

    @property
    def plain(self) -> bool:
        """Whether ranks begin a step together and run whole passes of stages that none holds twice."""
        whole = not self.overlaps and not self.splits
        return whole and self.pipeline.synchronised and self.pipeline.copies == 1


@remembered(4096)
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


def _kinds(found: Pipeline, virtual_stages: int) -> tuple[tuple[PassKind, ...], bool]:
    """Kinds of pass in the smallest pipeline that the schedule takes; more stages repeat the same passes."""
    few = dict.fromkeys((min(virtual_stages, 2), virtual_stages))
    return next(filter(None, (_small_kinds(found, virtual) for virtual in few)), ((), False))


@lru_cache(maxsize=1024)
def _small_kinds(found: Pipeline, virtual_stages: int) -> tuple[tuple[PassKind, ...], bool] | None:
    """Kinds of pass of the smallest pipeline with so many virtual stages; None if the schedule takes none."""
    sizes = (
        (ranks, ranks * rounds, virtual_stages)
        for ranks, rounds in product((4, 2, 3, 6, 8, 1), (4, 2, 1, 8))
        if not any(found.problems(ranks, ranks * rounds, virtual_stages))
    )
    smallest = next(sizes, None)
    if smallest is None:
        return None
    entries = [entry for order in found.build(*smallest) for entry in order]
    kinds = {one.kind for entry in entries for one in passes_of(entry)}
    overlaps = any(isinstance(entry, Overlap) for entry in entries)
    return tuple(kind for kind in PassKind if kind in kinds), overlaps


@remembered(4096)
def live_activations(name: str, ranks: int, microbatches: int, virtual_stages: int = 1) -> Live:
    """What every rank holds at the peaks of an order, of all its steps where they run into one another.

    Raises:
        SimdlError: unknown name.
    """
    found = pipeline(name)
    return pipeline_live(found, ranks, order_length(found, ranks, microbatches), virtual_stages)


@remembered(4096)
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
