"""Plans whose blocks save memory each in its own way, where memory binds.

The space knows recomputation of all blocks alike. A candidate that keeps everything, would be faster than the
best plan and does not fit gets the savers of :mod:`planner.memory_savers`: recomputation of as few blocks as
fit, or, where no candidate fits at all, host memory too. The first few by their bounds are tried and ranked
beside the others.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from planner.bounds.estimate import estimate_bounds
from planner.errors import SolverError
from planner.memory_savers.choose import choose_savers
from planner.space.candidates import RECOMPUTE, Integers, Space
from simdl.errors import SimdlError
from simdl.kernels.pricing import Pricing
from simdl.memory.needs import usable_memory
from simdl.step.strategy import Recompute, Strategy
from workloads.workload import Workload

TRIES = 4
"""Candidates that are given savers."""
WORTH = 0.005
"""Relative gain that one must be able to make."""
DEGREES = ("dp", "tp", "pp", "cp", "ep", "etp", "micro_batch", "virtual_stages", "zero", "shard_degree")
ALIKE = (*DEGREES, "schedule", "sequence_parallel")
"""What candidates that recompute in different ways have in common."""


def saved_strategies(
    space: Space, fits: Integers, workload: Workload, pricing: Pricing, *, best: float
) -> Iterator[tuple[float, Strategy]]:
    """Strategies with savers that fit and may be faster than ``best`` [s], with their bounds [s].

    Args:
        space: the candidates.
        fits: those that fit.
        workload: what is computed.
        pricing: what prices it.
        best: step of the best plan so far; inf without any.
    """
    short = np.flatnonzero(space.recompute == RECOMPUTE.index(Recompute.NONE))
    short = np.setdiff1d(short, fits)
    allowed = None
    if len(fits):
        allowed = frozenset({"recompute"})
        full = fits[space.recompute[fits] == RECOMPUTE.index(Recompute.FULL)]
        known = {*_keys(space, full)}
        keys = zip(short.tolist(), _keys(space, short), strict=True)
        short = np.array([candidate for candidate, key in keys if key in known], dtype=np.int64)
    if not len(short):
        return
    seconds = estimate_bounds(space.only(short), workload, pricing).step_time
    usable = usable_memory(pricing.stack, pricing.cluster.device)
    for place in np.argsort(seconds, kind="stable")[:TRIES].tolist():
        if seconds[place] >= best * (1 - WORTH):
            return
        try:
            strategy = space.strategy(int(short[place]))
            found = choose_savers(strategy, workload, pricing, usable, allowed=allowed, pool=())
        except (SimdlError, SolverError):
            continue
        yield float(seconds[place]), found.best.strategy
        best = min(best, found.best.step_time)


def _keys(space: Space, candidates: Integers) -> Sequence[tuple[int, ...]]:
    """Values of ``ALIKE`` per candidate."""
    columns = [getattr(space, name)[candidates].tolist() for name in ALIKE]
    return list(zip(*columns, strict=True))
