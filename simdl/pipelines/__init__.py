"""Pipeline orders: for every rank, the forward and backward passes in the order it runs them.

One order a file: a module of this package that defines ``PIPELINE`` is known by that pipeline's name.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from itertools import accumulate
from pkgutil import iter_modules
from types import MappingProxyType

from simdl.errors import SimdlError
from simdl.pipelines.action import Orders
from simdl.pipelines.pipeline import Pipeline


def _load_pipelines() -> Mapping[str, Pipeline]:
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    found = (module.PIPELINE for module in modules if hasattr(module, "PIPELINE"))
    return MappingProxyType({pipeline.name: pipeline for pipeline in found})


PIPELINES: Mapping[str, Pipeline] = _load_pipelines()


def pipeline(name: str) -> Pipeline:
    """The pipeline of a name.

    Raises:
        SimdlError: no such pipeline.
    """
    if name not in PIPELINES:
        near = get_close_matches(name, PIPELINES, n=1, cutoff=0.4)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise SimdlError(f"schedule: found {name!r}; expected one of {', '.join(sorted(PIPELINES))}{hint}")
    return PIPELINES[name]


@lru_cache(maxsize=64)
def pipeline_order(name: str, ranks: int, microbatches: int, virtual_stages: int = 1) -> Orders:
    """The passes of every rank in order.

    Args:
        name: such as ``"1f1b"``.
        ranks: pipeline ranks.
        microbatches: of one replica and step.
        virtual_stages: per rank; chunk c of rank r is virtual stage c * ranks + r.

    Raises:
        SimdlError: unknown name, or a size that the order does not take.

    Example:
        >>> [" ".join(map(str, order)) for order in pipeline_order("1f1b", 2, 2)]
        ['F0.0 F1.0 B0.0 B1.0', 'F0.1 B0.1 F1.1 B1.1']
    """
    chosen = pipeline(name)
    sizes = {"ranks": ranks, "microbatches": microbatches, "virtual stages": virtual_stages}
    reasons = [f"{what}: found {size}; expected at least 1" for what, size in sizes.items() if size < 1]
    reasons = reasons or list(chosen.problems(ranks, microbatches, virtual_stages))
    if reasons:
        raise SimdlError(f"schedule {name}: {'; '.join(reasons)}")
    return chosen.build(ranks, microbatches, virtual_stages)


@lru_cache(maxsize=1024)
def peak_in_flight(name: str, ranks: int, microbatches: int, virtual_stages: int = 1) -> tuple[int, ...]:
    """Per rank the largest number of activations of one microbatch and virtual stage that are live together.

    An activation lives from its forward pass to the end of its backward pass.

    Raises:
        SimdlError: as :func:`pipeline_order`.
    """
    orders = pipeline_order(name, ranks, microbatches, virtual_stages)
    return tuple(max(accumulate(1 if action.kind == "F" else -1 for action in order)) for order in orders)


def last_backward(name: str, ranks: int, microbatches: int, virtual_stages: int = 1) -> int:
    """The microbatch whose backward passes come last and complete the gradients (GPipe runs them in reverse).

    Raises:
        SimdlError: as :func:`pipeline_order`.
    """
    return pipeline_order(name, ranks, microbatches, virtual_stages)[0][-1].microbatch


def in_flight(orders: Orders) -> tuple[Mapping[int, int], ...]:
    """Per rank and virtual stage the largest number of microbatches whose activations are live together."""
    return tuple(
        {
            stage: max(
                accumulate(1 if action.kind == "F" else -1 for action in order if action.stage == stage)
            )
            for stage in sorted({action.stage for action in order})
        }
        for order in orders
    )
