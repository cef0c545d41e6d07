"""Plans whose blocks save memory each in its own way, where memory binds.

The space knows recomputation of all blocks alike. A candidate that keeps everything, would be faster than the
best plan and does not fit gets the savers of :mod:`planner.memory_savers`: recomputation of as few blocks as
fit, or, where no candidate fits at all, host memory too. How long that takes is expected to lie between the
bounds with nothing and with all blocks recomputed alike, by the bytes that are missing; the first few by that
are tried and ranked beside the others.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from planner.bounds.estimate import Bounds
from planner.errors import SolverError
from planner.memory_savers.choose import fastest_savers
from planner.memory_savers.program import GAP
from planner.space.candidates import RECOMPUTE, Integers, Space
from simdl.errors import SimdlError
from simdl.kernels.pricing import Pricing
from simdl.memory.needs import usable_memory
from simdl.step.strategy import Recompute, Strategy
from workloads.workload import Workload

TRIES = 4
"""Candidates that are given savers."""
WORK = 200_000
"""Passes over blocks of the steps that are tried with host memory, whose copies events decide one by one."""
HOSTED_GAP = 0.02
"""Relative distance from the optimum of programmes with host memory, which many unlike blocks make long."""
WORTH = 0.001
"""Relative gain that one must be able to make."""
DEGREES = ("dp", "tp", "pp", "cp", "ep", "etp", "micro_batch", "virtual_stages", "zero", "shard_degree")
ALIKE = (*DEGREES, "schedule", "sequence_parallel")
"""What candidates that recompute in different ways have in common."""


def saved_strategies(
    space: Space, bounds: Bounds, fits: Integers, workload: Workload, pricing: Pricing, *, best: float
) -> Iterator[tuple[float, Strategy]]:
    """Strategies with savers that fit and may be faster than ``best`` [s], with their bounds [s].

    Args:
        space: the candidates.
        bounds: of all candidates.
        fits: those that fit.
        workload: what is computed.
        pricing: what prices it.
        best: step of the best plan so far; inf without any.
    """
    kept = np.setdiff1d(np.flatnonzero(space.recompute == RECOMPUTE.index(Recompute.NONE)), fits)
    others = [_recomputed(space, fits, kept, mode) for mode in (Recompute.SELECTIVE, Recompute.FULL)]
    known = {candidate for other in others for candidate in other}
    kept = np.array([each for each in kept.tolist() if not len(fits) or each in known], dtype=np.int64)
    if not len(kept):
        return
    allowed, gap = (frozenset({"recompute"}), GAP) if len(fits) else (None, HOSTED_GAP)
    usable = usable_memory(pricing.stack, pricing.cluster.device)
    kept = kept[bounds.known_times(kept) < best]
    seconds, expected = bounds.step_times(kept), bounds.step_times(kept)
    modes = [[other[each] for other in others if each in other] for each in kept.tolist()]
    wanted = np.array(sorted({each for again in modes for each in again}), dtype=np.int64)
    again_time = dict(zip(wanted.tolist(), bounds.step_times(wanted).tolist(), strict=True))
    for place, (candidate, again) in enumerate(zip(kept.tolist(), modes, strict=True)):
        expected[place] += min(
            (
                _share(bounds.memory[candidate], bounds.memory[each], usable)
                * (again_time[each] - seconds[place])
                for each in again
            ),
            default=0.0,
        )
    work = 0
    for place in np.argsort(expected, kind="stable")[:TRIES].tolist():
        if expected[place] >= best * (1 - WORTH):
            return
        strategy = space.strategy(int(kept[place]))
        if allowed is None:
            work += 2 * strategy.microbatches(workload.global_batch) * workload.network.depth
            if work > WORK:
                return
        try:
            found = fastest_savers(strategy, workload, pricing, usable, allowed=allowed, gap=gap)
        except (SimdlError, SolverError):
            continue
        yield float(seconds[place]), found.strategy
        best = min(best, found.step_time)


def _recomputed(space: Space, fits: Integers, kept: Integers, mode: Recompute) -> dict[int, int]:
    """Of candidates that keep everything the one that fits because it recomputes in a mode."""
    again = fits[space.recompute[fits] == RECOMPUTE.index(mode)]
    known = dict(zip(_keys(space, again), again.tolist(), strict=True))
    keys = zip(kept.tolist(), _keys(space, kept), strict=True)
    return {candidate: known[key] for candidate, key in keys if key in known}


def _share(most: float, least: float, usable: float) -> float:
    """Share of what recomputation frees [bytes] that has to be freed."""
    return min(1.0, (most - usable) / (most - least)) if most > least else 1.0


def _keys(space: Space, candidates: Integers) -> Sequence[tuple[int, ...]]:
    """Values of ``ALIKE`` per candidate."""
    columns = [getattr(space, name)[candidates].tolist() for name in ALIKE]
    return list(zip(*columns, strict=True))
