"""Search: simulate candidates in the order of their bounds until no other can be among the best.

Every simulated step takes at least its bound, so once the next bound exceeds the k-th best simulated time,
the k best are certified: no candidate of the space is faster under the model (best-first branch and bound,
Lawler and Wood 1966).
"""

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from planner.bounds.estimate import Bounds
from planner.search.order import rank_key
from planner.space.candidates import Integers, Space
from simdl.kernels.pricing import Pricing
from simdl.memory.needs import memory_shortfalls
from simdl.report.step_report import StepReport
from simdl.step.cuts.automatic_cut import step_cost, with_cut
from simdl.step.lowering.folding import passes_run, run_faster_step
from simdl.step.simulate import report
from workloads.workload import Workload

ROUNDING = 1e-12  # relative, of sums of many tasks
WORK = 500_000
"""Passes that one search simulates, at most, about fifteen seconds; then it gives up certainty."""
BOUND = 1
"""Passes that could be simulated in the time that the bound of a candidate takes, about."""
Progress = Callable[[int, int], None]
"""Called with the steps done so far and all that there are to do, such as candidates to decide."""
Watcher = Callable[[Sequence[StepReport]], None]
"""Called with the best found so far, best first, whenever they change."""


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """A simulated candidate with its report, in the order of :func:`planner.search.order.rank_key`."""

    key: tuple[float, float, float]
    candidate: int
    report: StepReport = field(compare=False)

    @property
    def step_time(self) -> float:
        """[s]."""
        return self.report.step_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """What a search gives.

    Attributes:
        best: the fastest candidates that fit, best first.
        simulated: number of candidates simulated.
        reports: by candidate, of those that were among the best when they were simulated.
        certified: no other candidate of the space is faster than the last of ``best``.
    """

    best: tuple[Found, ...]
    simulated: int
    certified: bool
    reports: Mapping[int, StepReport]


def search(
    space: Space,
    bounds: Bounds,
    candidates: Integers,
    workload: Workload,
    pricing: Pricing,
    *,
    top: int,
    max_simulations: int | None = None,
    progress: Progress | None = None,
    watcher: Watcher | None = None,
) -> Ranking:
    """The ``top`` fastest candidates, or those that were found before ``WORK`` was done.

    Args:
        space: the candidates.
        bounds: of all candidates.
        candidates: those to search; memory is checked exactly before each simulation.
        workload: what is computed.
        pricing: what prices it.
        top: how many to find.
        max_simulations: after which the search gives up certainty; None for no limit.
        progress: told about every candidate.
        watcher: told of the best so far.
    """
    best: list[Found] = []
    reports: dict[int, StepReport] = {}
    simulated, passes, certified = 0, BOUND * len(space), True
    for position, (candidate, least) in enumerate(bounds.in_order(candidates)):
        if least >= limit_of(best, top) * (1 - ROUNDING):
            break
        if max_simulations is not None and simulated >= max_simulations:
            certified = False
            break
        strategy = space.strategy(candidate)
        step = step_cost(workload, with_cut(strategy, workload, pricing), pricing)
        passes += passes_run(step)
        if passes > WORK and simulated:
            certified = False
            break
        if not any(memory_shortfalls(step, pricing.cluster.device)):
            limit = limit_of(best, top)
            timed = run_faster_step(step, limit)
            simulated += timed is not None
            if timed is not None and timed.step_time < limit:
                told = reports[candidate] = report(step, timed.timeline)
                insort(best, Found(rank_key(told), candidate, told))
                del best[top:]
                if watcher is not None:
                    watcher([found.report for found in best])
        if progress is not None:
            progress(position + 1, bounds.undecided(candidates, limit_of(best, top)))
    return Ranking(best=tuple(best), simulated=simulated, certified=certified, reports=reports)


def limit_of(best: Sequence[Found], top: int) -> float:
    """[s] that a candidate has to be faster than to be among the best."""
    return best[-1].step_time if len(best) == top else inf
