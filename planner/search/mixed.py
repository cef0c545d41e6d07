"""Plans for a mixed cluster: the same search as for nodes of one type, over candidates with their cuts.

A candidate with a pipeline has as many ways to run as there are cuts for the places of its stages, each with
a bound of its own (:mod:`planner.bounds.mixed`), so every way is simulated in the order of its bound until no
other can be among the best. A step whose longest path is not shorter than the best ones is not run.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import inf

import numpy as np

from hardware.cluster import Cluster
from hardware.units import format_quantity
from planner.bounds.estimate import estimate_bounds
from planner.bounds.mixed import MixedBounds, estimate_mixed_bounds
from planner.console.format import format_strategy
from planner.reasons.explain import Searched, explain, explain_shares
from planner.search.best_first import ROUNDING, WORK, Progress
from planner.search.order import rank_key
from planner.search.plan import Plan, PlanResult, stack_limits
from planner.space.candidates import Integers, Space, enumerate_space
from planner.space.prices import Floats
from simdl.engine.run import run
from simdl.kernels.pricing import Pricing
from simdl.pipelines.registry import pipeline
from simdl.report.step_report import StepReport
from simdl.software.stack import Stack
from simdl.step.kinds import uniform_clusters
from simdl.step.mixed import least_alone, mixed_program, mixed_step, share_problems
from simdl.step.simulate import mixed_simulation, price
from simdl.step.strategy import Strategy
from workloads.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ways:
    """Candidates with their cuts in the order of their bounds.

    Attributes:
        seconds: what each takes at least.
        candidate: whose it is; those with shares of their own come behind all others.
        strategy: makes each.
    """

    seconds: Floats
    candidate: Integers
    strategy: Callable[[int], Strategy]


@dataclass(slots=True)
class _Found:
    """What a search has found so far: of every candidate its fastest way."""

    plans: dict[int, Plan]
    simulated: int = 0
    certified: bool = True

    def limit(self, candidate: int, top: int) -> float:
        """[s] that a way has to be faster than to change the best plans."""
        times = sorted(plan.report.step_time for plan in self.plans.values())
        own = self.plans[candidate].report.step_time if candidate in self.plans else inf
        return min(own, times[top - 1] if len(times) >= top else inf)


def plan_mixed(
    workload: Workload,
    cluster: Cluster,
    *,
    stack: Stack,
    top: int = 5,
    max_simulations: int | None = None,
    uneven: bool = False,
    progress: Progress | None = None,
    explained: bool = True,
) -> PlanResult:
    """The ``top`` fastest strategies for a mixed cluster.

    Args:
        workload: what is computed.
        cluster: nodes of several types.
        stack: the software it runs on.
        top: plans wanted.
        max_simulations: give up certainty after so many; None for no limit.
        uneven: whether replicas on faster nodes may have more microbatches than others.
        progress: told about every way to run a candidate that is decided.
        explained: also say why the best plan is the best, which simulates its neighbours.
    """
    started = time.perf_counter()
    pricings = [price(workload, view, stack=stack) for view in uniform_clusters(cluster)]
    space = enumerate_space(workload, pricings[0].cluster, limits=stack_limits(stack))
    bounds = estimate_mixed_bounds(space, workload, cluster, pricings) if len(space) else None
    shared = _shared(space, bounds, workload, cluster, pricings) if bounds and uneven else []
    ways = _ways(space, bounds, shared) if bounds else None
    found = _Found({})
    asked = _Asked(workload, cluster, pricings, top, max_simulations)
    if ways:
        _search(ways, asked, found, progress)
    plans = sorted(found.plans.values(), key=lambda plan: rank_key(plan.report))
    return PlanResult(
        plans=tuple(plans[:top]),
        candidates=len(space) + len(shared),
        feasible=len(np.unique(ways.candidate)) if ways else 0,
        simulated=found.simulated,
        certified=found.certified,
        certified_over=_certified_over(space, bounds, len(shared)) if bounds else "",
        wall_time=time.perf_counter() - started,
        reasons=tuple(_reasons(space, bounds, workload, cluster)),
        why=_why(plans, found, space, bounds, asked) if bounds and explained else (),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is searched for, and on what."""

    workload: Workload
    cluster: Cluster
    pricings: Sequence[Pricing]
    top: int
    most: int | None


def _search(ways: _Ways, asked: _Asked, found: _Found, progress: Progress | None) -> None:
    """Simulate ways in the order of their bounds until none that is left can be among the best."""
    passes = 0
    for position, (bound, candidate) in enumerate(
        zip(ways.seconds.tolist(), ways.candidate.tolist(), strict=True)
    ):
        if bound >= found.limit(-1, asked.top) * (1 - ROUNDING):
            break
        if bound >= (limit := found.limit(candidate, asked.top)):
            continue
        strategy = ways.strategy(position)
        passes += strategy.passes(asked.workload.global_batch)
        over = asked.most is not None and found.simulated >= asked.most
        if over or (passes > WORK and found.simulated):
            found.certified = False
            break
        report = _faster(strategy, asked, limit)
        found.simulated += report is not None
        if report is not None and report.feasible and report.step_time < limit:
            found.plans[candidate] = Plan(bound=bound, report=report)
        if progress is not None:
            progress(position + 1, len(ways.seconds))


def _why(
    plans: Sequence[Plan], found: _Found, space: Space, bounds: MixedBounds, asked: _Asked
) -> tuple[str, ...]:
    """What makes the best plan better than its neighbours, and than other shares of its replicas."""
    if not plans:
        return ()
    best, node = plans[0].report, asked.cluster.levels[0].size
    reports = {candidate: plan.report for candidate, plan in found.plans.items()}
    alike = {candidate: report for candidate, report in reports.items() if candidate < len(space)}
    least = np.full(len(space), np.inf)
    np.minimum.at(least, bounds.candidate, bounds.seconds)
    searched = Searched(
        space=space,
        fits=np.flatnonzero(np.isfinite(least)),
        nearest=lambda others: int(others[np.argmin(least[others])]),
        simulated=lambda candidate: _simulated(space.strategy(candidate), asked),
        reports=alike,
        node=node,
    )
    return (*explain_shares(best, reports, node), *explain(best, searched))


def _simulated(strategy: Strategy, asked: _Asked) -> StepReport:
    """The report of a step with the best of its cuts."""
    step = mixed_step(asked.workload, asked.cluster, strategy, asked.pricings)
    return mixed_simulation(step, run(mixed_program(step))).report


def _faster(strategy: Strategy, asked: _Asked, limit: float) -> StepReport | None:
    """The report of a step, or None without running it where its longest path is no shorter than a limit."""
    step = mixed_step(asked.workload, asked.cluster, strategy, asked.pricings)
    program = mixed_program(step)
    together = pipeline(strategy.schedule).synchronised  # else a run may be shorter than its path
    if together and limit < inf and least_alone(step, program) * (1 - ROUNDING) >= limit:
        return None
    return mixed_simulation(step, run(program)).report


def _ways(space: Space, bounds: MixedBounds, shared: Sequence[tuple[float, Strategy]]) -> _Ways:
    """Every candidate with every cut with which it fits, and those with shares of their own."""
    fits = np.flatnonzero(bounds.short <= 0)
    seconds = np.concatenate([bounds.seconds[fits], [bound for bound, _ in shared]])
    candidate = np.concatenate([bounds.candidate[fits], len(space) + np.arange(len(shared))])
    order = np.argsort(seconds, kind="stable")

    def strategy(position: int) -> Strategy:
        place = int(order[position])
        if place >= len(fits):
            return shared[place - len(fits)][1]
        found, cut = space.strategy(int(candidate[place])), bounds.cuts[bounds.cut[fits[place]]]
        return replace(found, stages=cut) if found.pp > 1 else found

    return _Ways(seconds=seconds[order], candidate=candidate[order], strategy=strategy)


def _shared(
    space: Space, bounds: MixedBounds, workload: Workload, cluster: Cluster, pricings: Sequence[Pricing]
) -> list[tuple[float, Strategy]]:
    """Candidates without a pipeline with the shares that their slowest replica is done with first."""
    fits = np.unique(bounds.candidate[bounds.short <= 0])
    few = space.only(fits[(space.pp[fits] == 1) & (space.zero[fits] < 2)])
    if not len(few):
        return []
    every = np.arange(len(few))
    times = np.array([estimate_bounds(few, workload, each).training_times(every) for each in pricings])
    given = {
        number: strategy
        for number in every.tolist()
        if (strategy := _with_shares(few.strategy(number), times[:, number], workload, cluster))
    }
    if not given:
        return []
    kept = few.only(np.array([*given], dtype=np.int64))
    shares = np.array([strategy.shares for strategy in given.values()])
    return [*zip(_shared_bounds(kept, shares, workload, pricings).tolist(), given.values(), strict=True)]


def _shared_bounds(space: Space, shares: Integers, workload: Workload, pricings: Sequence[Pricing]) -> Floats:
    """[candidates] seconds that steps take at least whose replicas have [candidates x kinds] shares.

    Replicas of a kind take what they would take among their like, with as many microbatches.
    """
    each = [
        estimate_bounds(replace(space, microbatches=shares[:, kind]), workload, pricing)
        for kind, pricing in enumerate(pricings)
    ]
    found: Floats = np.max([one.training_times(np.arange(len(space))) for one in each], axis=0)
    return found


def _certified_over(space: Space, bounds: MixedBounds, shared: int) -> str:
    """Among what a ranking is the best."""
    most = int(np.unique(bounds.candidate, return_counts=True)[1].max())
    cuts = ""
    if (space.pp > 1).any():
        cuts = f", each with the fastest of up to {most} cuts into stages that network and nodes decide"
    uneven = f", {shared} of them with the shares that their kinds of node are done with together"
    return f"{len(space) + shared:,} candidates{uneven if shared else ''}{cuts}"


def _reasons(space: Space, bounds: MixedBounds | None, workload: Workload, cluster: Cluster) -> Iterator[str]:
    """Why candidates are infeasible."""
    if bounds is None:
        yield (
            f"no product dp x tp x pp x cp = {cluster.devices} divides {workload.network.name} and the "
            f"global batch {workload.global_batch}; expected a global batch that more replicas divide, or "
            "fewer devices"
        )
        return
    least = np.full(len(space), np.inf)
    np.minimum.at(least, bounds.candidate, bounds.short)
    unfit = np.flatnonzero(least > 0)
    if len(unfit):
        nearest = int(unfit[least[unfit].argmin()])
        missing = format_quantity(float(least[nearest]), "bytes")
        yield f"{len(unfit)} of {len(space)} candidates need more memory than the devices of some stage have"
        yield f"the nearest of them, {format_strategy(space.strategy(nearest))}, is {missing} short"


def _with_shares(
    strategy: Strategy, seconds: Floats, workload: Workload, cluster: Cluster
) -> Strategy | None:
    """The strategy with the microbatches per replica that its slowest replica is done with first."""
    lanes = strategy.tp * strategy.cp
    if any(part.devices % lanes for part in cluster.parts):
        return None
    replicas = [part.devices // lanes for part in cluster.parts]
    total = workload.global_batch // strategy.micro_batch
    speeds = seconds.min() / seconds
    ideal = total * speeds / (speeds * np.array(replicas)).sum()
    options = [
        replace(strategy, shares=shares)
        for shares in _shares_near(ideal.tolist(), replicas, total)
        if len(set(shares)) > 1
    ]
    allowed = [each for each in options if not any(share_problems(each, workload, cluster))]
    return min(allowed, key=lambda each: float((seconds * np.array(each.shares)).max()), default=None)


def _shares_near(ideal: Sequence[float], replicas: Sequence[int], total: int) -> Iterator[tuple[int, ...]]:
    """Whole shares whose microbatches add up to all there are, all but one near the ideal."""
    span = max(replicas)
    near = [range(max(1, int(share) - span), int(share) + span + 1) for share in ideal[:-1]]
    for shares in product(*near):
        rest = total - sum(share * count for share, count in zip(shares, replicas, strict=False))
        if rest > 0 and rest % replicas[-1] == 0:
            yield (*shares, rest // replicas[-1])
