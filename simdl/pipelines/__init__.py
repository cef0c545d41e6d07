"""Pipeline orders: for every rank, the passes in the order it runs them.

One order a file: a module of ``schedules`` that defines ``PIPELINE`` is known by that pipeline's name. What
an order means for memory, lowering and traces follows from the properties of its passes (``passes``).
"""

from collections.abc import Mapping
from functools import lru_cache

from simdl.errors import SimdlError
from simdl.pipelines.check import check_orders
from simdl.pipelines.live import Peaks, pipeline_live
from simdl.pipelines.passes import Orders
from simdl.pipelines.pipeline import Pipeline
from simdl.pipelines.registry import PIPELINES, pipeline, registered
from simdl.pipelines.remembered import remembered

__all__ = [
    "PIPELINES",
    "in_flight",
    "peak_in_flight",
    "peaks",
    "pipeline",
    "pipeline_order",
    "registered",
    "same_order",
]

CHECKED = 256  # microbatches times stages up to which an order is checked before it is used
SMALL = 4  # ranks of a pipeline that shows whether two orders are one


def pipeline_order(name: str, ranks: int, microbatches: int, virtual_stages: int = 1) -> Orders:
    """The passes of every rank in order; made anew at every call, because they are many.

    Args:
        name: such as ``"1f1b"``.
        ranks: pipeline ranks.
        microbatches: of one replica and step.
        virtual_stages: per rank.

    Raises:
        SimdlError: unknown name, a size that the order does not take, or an order that is no training step.

    Example:
        >>> [" ".join(map(str, order)) for order in pipeline_order("1f1b", 2, 2)]
        ['F0.0 F1.0 B0.0 B1.0', 'F0.1 B0.1 F1.1 B1.1']
    """
    chosen = _accepted(name, ranks, microbatches, virtual_stages)
    if microbatches * ranks * virtual_stages <= CHECKED:
        _check(chosen, ranks, microbatches, virtual_stages)
    return chosen.build(ranks, microbatches, virtual_stages)


def peaks(name: str, ranks: int, microbatches: int, virtual_stages: int = 1) -> tuple[Peaks, ...]:
    """Per rank the live activations by virtual stage at the moments that can be its peak.

    Raises:
        SimdlError: as :func:`pipeline_order`.
    """
    chosen = _accepted(name, ranks, microbatches, virtual_stages)
    return pipeline_live(chosen, ranks, microbatches, virtual_stages).by_rank


def peak_in_flight(name: str, ranks: int, microbatches: int, virtual_stages: int = 1) -> tuple[int, ...]:
    """Per rank the largest number of activations of one microbatch and virtual stage that are live together.

    Raises:
        SimdlError: as :func:`pipeline_order`.
    """
    return tuple(rank.total for rank in peaks(name, ranks, microbatches, virtual_stages))


def in_flight(
    name: str, ranks: int, microbatches: int, virtual_stages: int = 1
) -> tuple[Mapping[int, int], ...]:
    """Per rank and virtual stage the largest number of microbatches whose activations are live together.

    Raises:
        SimdlError: as :func:`pipeline_order`.
    """
    return tuple(rank.by_stage for rank in peaks(name, ranks, microbatches, virtual_stages))


def same_order(name: str, other: str, ranks: int, virtual_stages: int) -> bool:
    """Whether two schedules are one: a small pipeline of both has the same order."""
    return _same_small_order(name, other, min(ranks, SMALL), virtual_stages)


@remembered(1024)
def _same_small_order(name: str, other: str, ranks: int, virtual_stages: int) -> bool:
    """The same of so many ranks, with two microbatches for each."""
    sizes = ranks, 2 * ranks, virtual_stages
    if any(reason for each in (name, other) for reason in pipeline(each).problems(*sizes)):
        return False
    return pipeline(name).build(*sizes) == pipeline(other).build(*sizes)


def _accepted(name: str, ranks: int, microbatches: int, virtual_stages: int) -> Pipeline:
    chosen = pipeline(name)
    sizes = {"ranks": ranks, "microbatches": microbatches, "virtual stages": virtual_stages}
    reasons = [f"{what}: found {size}; expected at least 1" for what, size in sizes.items() if size < 1]
    reasons = reasons or list(chosen.problems(ranks, microbatches, virtual_stages))
    if reasons:
        raise SimdlError(f"schedule {name}: {'; '.join(reasons)}")
    return chosen


@lru_cache(maxsize=4096)
def _check(chosen: Pipeline, ranks: int, microbatches: int, virtual_stages: int) -> None:
    orders = chosen.build(ranks, microbatches, virtual_stages)
    check_orders(chosen, orders, microbatches, virtual_stages)
