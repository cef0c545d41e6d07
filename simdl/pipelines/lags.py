"""Lags: how far apart the passes of one stage are, forward and back, whatever the microbatch.

The forward pass of microbatch j + limit runs after the backward pass of j, and that of j + lead before it. So
what goes from stage s to stage t and back has come limit(s) - lead(t) microbatches on when it is where it set
out: so many microbatches take at least what that round trip takes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simdl.pipelines.passes import Order, Overlap, passes_of
from simdl.pipelines.registry import pipeline
from simdl.pipelines.remembered import remembered

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lags:
    """Distances in microbatches; [stages].

    Attributes:
        limit: the least distance from a backward pass at which forward passes always come after it.
        lead: the largest at which they always come before it.
    """

    limit: Integers
    lead: Integers


@remembered(4096)
def lags(name: str, ranks: int, microbatches: int, virtual_stages: int = 1) -> Lags | None:
    """The lags of a long order, which are those of a short one (``Pipeline.settled``).

    None for short orders, where lags grow with the order, and where stages do not take microbatches in turn.
    """
    found = pipeline(name)
    settled = found.settled(ranks, virtual_stages)
    first = settled + (microbatches - settled) % ranks
    if microbatches < first + ranks or any(found.problems(ranks, first, virtual_stages)):
        return None
    if found.lags is not None and virtual_stages == 1:
        limit, lead = found.lags(ranks)
        return Lags(limit=limit, lead=lead)
    short, longer = (read_lags(name, ranks, count, virtual_stages) for count in (first, first + ranks))
    if short is None or longer is None:
        return None
    alike = (short.limit == longer.limit).all() and (short.lead == longer.lead).all()
    return short if alike else None


@remembered(1024)
def read_lags(name: str, ranks: int, microbatches: int, virtual_stages: int) -> Lags | None:
    """The lags of one order; None where stages do not take microbatches in turn."""
    found = pipeline(name)
    if found.copies > 1 or not (found.flushes and found.synchronised):
        return None
    by_stage: dict[int, tuple[int, int]] = {}
    each = np.arange(microbatches)
    for order in found.build(ranks, microbatches, virtual_stages):
        for stage, forward in _forward_before_back(order).items():
            if forward is None or len(forward) != microbatches:
                return None
            apart = np.array(forward) - each
            followed = apart[np.array(forward) < microbatches]  # by more forward passes
            by_stage[stage] = int(apart.max()), int(followed.min(initial=microbatches)) - 1
    limit, lead = zip(*(by_stage[stage] for stage in sorted(by_stage)), strict=True)
    return Lags(limit=np.array(limit), lead=np.array(lead))


def _forward_before_back(order: Order) -> dict[int, list[int] | None]:
    """By stage, forward passes before each backward pass; None where microbatches do not come in turn."""
    forward: dict[int, int] = {}
    found: dict[int, list[int] | None] = {}
    together = {one.stage for entry in order if isinstance(entry, Overlap) for one in passes_of(entry)}
    for kind, microbatch, stage in (one for entry in order for one in passes_of(entry)):
        back = found.setdefault(stage, [])
        if kind.sends_forward:
            if microbatch != forward.setdefault(stage, 0):
                found[stage] = None
            forward[stage] = microbatch + 1
        elif kind.sends_back and back is not None:
            if microbatch != len(back):
                found[stage] = None
            else:
                back.append(forward.get(stage, 0))
    return {stage: None if stage in together else back for stage, back in found.items()}
