"""Plans: the ranked, simulated strategies for a workload on a cluster, and why they are what they are."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf, nan

import numpy as np

from hardware.cluster import Cluster
from hardware.units import format_quantity
from planner.bounds.estimate import Bounds, estimate_bound, estimate_bounds
from planner.console.format import format_strategy
from planner.cuts.recut import recut
from planner.per_layer.search import LayerPlan, plan_layers
from planner.reasons.explain import Searched, explain, explain_experts, explain_splits
from planner.search.best_first import Progress, Watcher, search
from planner.search.order import rank_key
from planner.search.saved import saved_strategies
from planner.space.candidates import Integers, Limits, Space, enumerate_space, ranked_schedules
from simdl.errors import SimdlError
from simdl.kernels.cost_model import CostModel
from simdl.kernels.pricing import Pricing
from simdl.memory.needs import memory_shortfalls
from simdl.pipelines import PIPELINES
from simdl.report.step_report import StepReport
from simdl.software.stack import Stack
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.cuts.cut_set import cut_set
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy
from workloads.network import Network
from workloads.workload import Workload

RECUT = 60_000  # passes of the plans whose cuts are tried, all together at most
UNLIMITED = 2**62  # passes that no step has


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """A strategy with its predicted report.

    Attributes:
        bound: [s] that the step was known to take at least before it was simulated.
        report: of the simulated step; its ``strategy`` is the answer.
        regret: how much longer it is expected to take than the plan that turns out fastest, as a share;
            of plans that were compared (:mod:`planner.search.regret`).
    """

    bound: float
    report: StepReport
    regret: float = nan

    def __repr__(self) -> str:
        return f"<Plan: {self.report!r}>"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanResult:
    """The planner's answer.

    Attributes:
        plans: best first; empty if nothing fits.
        candidates: strategies whose degrees divide.
        feasible: those that fit in memory.
        simulated: those that were simulated to rank the plans.
        certified: no other candidate is faster than the last plan.
        certified_over: among what, in words.
        uncertified: why it is not certified.
        wall_time: [s] that :func:`plan` took, all of it.
        reasons: why candidates are infeasible.
        why: what makes the best plan better than its neighbours.
        alike: the best plan that divides all layers alike, if one fits.
        layers: the per-layer plans among the candidates; None for sequences and where there are none.
        layers_reason: why there are none, if it was tried.
    """

    plans: tuple[Plan, ...]
    candidates: int
    feasible: int
    simulated: int
    certified: bool
    certified_over: str
    wall_time: float
    reasons: tuple[str, ...]
    why: tuple[str, ...]
    alike: Plan | None = None
    layers: LayerPlan | None = None
    layers_reason: str = ""
    uncertified: str = "stopped at the simulation limit, of candidates or of passes"

    def __repr__(self) -> str:
        sure = "certified" if self.certified else "not certified"
        return f"<PlanResult: {len(self.plans)} plans of {self.candidates:,} candidates, {sure}>"


def plan(
    workload: Workload,
    cluster: Cluster,
    *,
    stack: Stack,
    top: int = 5,
    max_simulations: int | None = None,
    cost_model: CostModel | None = None,
    progress: Progress | None = None,
    watcher: Watcher | None = None,
    split_layers: bool = True,
    explained: bool = True,
) -> PlanResult:
    """The ``top`` fastest strategies for a workload on all devices of a cluster.

    Args:
        workload: what is computed.
        cluster: on what.
        stack: the software it runs on.
        top: plans wanted.
        max_simulations: give up certainty after so many; None for no limit.
        cost_model: seconds per kernel; the device's own by default.
        progress: told about the search and the cuts tried after it.
        watcher: told of the best found so far while the search goes on.
        split_layers: also try to split every layer of a network of images its own way.
        explained: also say why the best plan is the best, which simulates its neighbours, and why others do
            not fit; where nothing fits that is said in any case.
    """
    started = time.perf_counter()
    pricing = price(workload, cluster, stack=stack, cost_model=cost_model)
    space = enumerate_space(workload, cluster, limits=stack_limits(stack))
    bounds = estimate_bounds(space, workload, pricing)
    decided, cut = _in_two_parts(progress, cuts=min(top, len(space)))
    ranking = search(
        space,
        bounds,
        np.arange(len(space)),
        workload,
        pricing,
        top=top,
        max_simulations=max_simulations,
        progress=decided,
        watcher=watcher,
    )
    fits = bounds.fits
    best = np.array([found.candidate for found in ranking.best], dtype=np.int64)
    plans = [
        Plan(bound=seconds, report=found.report)
        for found, seconds in zip(ranking.best, bounds.step_times(best).tolist(), strict=True)
    ]
    plans += list(_recut_all(plans, workload, pricing, cut))
    alike = min(plans, key=lambda plan: plan.report.step_time, default=None)
    saved = list(_saved(plans, space, bounds, fits, workload, pricing))
    plans += saved
    limit = _slowest_wanted(plans, top)
    layers, layers_reason = _per_layer(workload, pricing, top, limit) if split_layers else (None, "")
    split, fitting = (layers.candidates, layers.fitting) if layers else ((), 0)
    plans += [Plan(bound=bound, report=report) for bound, report in split]
    plans.sort(key=lambda plan: rank_key(plan.report))
    told = explained or not plans
    others = bool(fitting or saved)
    reasons = tuple(_reasons(space, bounds, fits, workload, pricing, others=others)) if told else ()
    searched = Searched(
        space=space,
        fits=fits,
        nearest=bounds.nearest,
        simulated=lambda candidate: _report(space.strategy(candidate), workload, pricing),
        reports=ranking.reports,
        node=cluster.levels[0].size,
    )
    why = _why(plans, alike, searched) if explained else ()
    return PlanResult(
        plans=tuple(plans[:top]),
        candidates=len(space) + len(saved) + (layers.tried if layers else 0),
        feasible=len(fits) + len(saved) + fitting,
        simulated=ranking.simulated + len(saved) + fitting,
        certified=ranking.certified,
        certified_over=certified_over(space, workload.network) + _beside(len(saved)),
        wall_time=time.perf_counter() - started,
        reasons=reasons,
        why=why,
        alike=alike,
        layers=layers,
        layers_reason=layers_reason,
    )


def _saved(  # noqa: PLR0917 - what a search knows
    plans: Sequence[Plan],
    space: Space,
    bounds: Bounds,
    fits: Integers,
    workload: Workload,
    pricing: Pricing,
) -> Iterator[Plan]:
    """Plans whose blocks save memory each in its own way, faster than any that treats them alike."""
    best = min((plan.report.step_time for plan in plans), default=inf)
    for bound, strategy in saved_strategies(space, bounds, fits, workload, pricing, best=best):
        report = _report(strategy, workload, pricing)
        if report.feasible and report.step_time < best:
            yield Plan(bound=bound, report=report)


def _beside(saved: int) -> str:
    """What a ranking has beside what it is certified over."""
    plans = "1 plan" if saved == 1 else f"{saved} plans"
    return f"; {plans} with memory savers block by block beside them" if saved else ""


def _slowest_wanted(plans: Sequence[Plan], top: int) -> float:
    """[s] beyond which a step is slower than so many known ones, in the digits by which plans are ranked."""
    times = sorted(plan.report.step_time for plan in plans)
    return times[top - 1] * (1 + 1e-8) if len(times) >= top else inf


def _per_layer(workload: Workload, pricing: Pricing, top: int, limit: float) -> tuple[LayerPlan | None, str]:
    """The per-layer plans of a convolutional network, or why there are none (empty for sequences)."""
    if workload.network.sample != "image":
        return None, ""
    try:
        return plan_layers(workload, pricing, top=top, limit=limit), ""
    except SimdlError as error:
        return None, str(error)


def _why(plans: Sequence[Plan], alike: Plan | None, searched: Searched) -> tuple[str, ...]:
    """What makes the best plan better than its neighbours, or than the best that divides layers alike."""
    if not plans:
        return ()
    best = plans[0].report
    if best.strategy.split_degree > 1 or best.strategy.savers:
        what = "memory saved block by block" if best.strategy.savers else "layers split one by one"
        return (
            *explain_splits(best, alike.report if alike else None, what=what),
            *explain_experts(best, searched),
        )
    return explain(best, searched)


def certified_over(space: Space, network: Network) -> str:
    """Among what a ranking is the best: the candidates, and the cuts into stages that each may have."""
    chunks = {*np.unique(space.pp * space.virtual_stages).tolist()} - {1}
    cuts = [len(cut_set(network, count)) for count in sorted(chunks)]
    what = f"{len(space):,} candidates"
    if not cuts:
        return f"{what}, none of them a pipeline"
    if max(cuts) == 1:
        return f"{what}, each with the one cut into stages that the network decides"
    return (
        f"{what}, each with the fastest of up to {max(cuts)} cuts into stages that the network alone decides"
    )


def stack_limits(stack: Stack) -> Limits:
    """Where the space ends for what a stack can do."""
    schedules = tuple(name for name in ranked_schedules() if name in (stack.schedules or PIPELINES))
    return Limits(zero=stack.zero, context_parallel=stack.context_parallel, schedules=schedules)


def _report(strategy: Strategy, workload: Workload, pricing: Pricing) -> StepReport:
    return simulate(
        workload, pricing.cluster, strategy, stack=pricing.stack, cost_model=pricing.cost_model
    ).report


def _in_two_parts(progress: Progress | None, *, cuts: int) -> tuple[Progress, Progress]:
    """What the search and what the cuts after it report to, so that they count as one piece of work."""
    searched = 0

    def decided(done: int, total: int) -> None:
        nonlocal searched
        searched = done
        if progress is not None:
            progress(done, total + cuts)

    def cut(done: int, total: int) -> None:
        if progress is not None:
            progress(searched + done, searched + total)

    return decided, cut


def _recut_all(
    plans: Sequence[Plan], workload: Workload, pricing: Pricing, progress: Progress
) -> Iterator[Plan]:
    """The plans that other cuts make faster; the first of them where steps are long."""
    passes = 0
    for done, plan in enumerate(tuple(plans), start=1):
        passes += plan.report.strategy.passes(workload.global_batch)
        better = _recut(plan, workload, pricing) if passes <= RECUT else None
        if better is not None:
            yield better
        progress(done, len(plans))


def _recut(plan: Plan, workload: Workload, pricing: Pricing) -> Plan | None:
    """The plan with the stages of :mod:`planner.cuts.stage_partition`, where that is faster and fits."""
    strategy = plan.report.strategy
    changed = recut(strategy, workload, pricing) if strategy.pp > 1 else None
    if changed is None:
        return None
    bound = estimate_bound(changed, workload, pricing)
    if bound >= plan.report.step_time:
        return None
    report = _report(changed, workload, pricing)
    return Plan(bound=bound, report=report) if _is_better(report, plan.report) else None


def _is_better(report: StepReport, other: StepReport) -> bool:
    return report.feasible and report.step_time < other.step_time * (1 - 1e-9)


def _however_long(workload: Workload, cluster: Cluster, limits: Limits) -> int:
    """Candidates there would be, however many passes a step had."""
    return len(enumerate_space(workload, cluster, limits=replace(limits, passes=UNLIMITED)))


def _reasons(
    space: Space, bounds: Bounds, fits: Integers, workload: Workload, pricing: Pricing, *, others: bool
) -> Iterator[str]:
    """Why candidates are infeasible: how many, and the one that misses by least.

    ``others`` says whether plans that split layers fit.
    """
    left = _left_out(len(space), workload, pricing)
    if not len(space):
        yield left or (
            f"no product dp x tp x pp x cp = {pricing.cluster.devices} divides {workload.network.name} "
            f"(tensor divisors {workload.network.tensor_divisors}, {workload.network.depth} blocks) and the "
            f"global batch {workload.global_batch}; expected a global batch that more replicas divide, or "
            "fewer devices"
        )
        return
    excess = np.setdiff1d(np.arange(len(space)), fits)
    if len(excess):
        yield from _short_of_memory(space, bounds, excess, workload, pricing)
    if left:
        yield left
    if len(excess) and not len(fits) and not others:
        need = format_quantity(float(bounds.memory[excess].min()), "bytes")
        fewer = "a smaller global batch, " if left else ""
        yield f"no candidate fits; expected {fewer}more devices, or devices with at least {need} to use"


def _left_out(count: int, workload: Workload, pricing: Pricing) -> str:
    """How many strategies a space of so many lacks because their steps are too long; empty for none."""
    limits = stack_limits(pricing.stack)
    left = _however_long(workload, pricing.cluster, limits) - count
    if not left:
        return ""
    return (
        f"{left} strategies of more than {limits.passes:,} passes a step (2 x pp x virtual stages x "
        f"microbatches) are left out; expected a global batch smaller than {workload.global_batch:,} to "
        "try them all"
    )


def _short_of_memory(
    space: Space, bounds: Bounds, excess: Integers, workload: Workload, pricing: Pricing
) -> Iterator[str]:
    """How many need more memory than there is, and the one that misses by least."""
    nearest = int(excess[np.argmin(bounds.memory[excess])])
    yield f"{len(excess)} of {len(space)} candidates need more memory than a device has"
    step = step_cost(workload, space.strategy(nearest), pricing)
    short = next(memory_shortfalls(step, pricing.cluster.device), "")
    yield f"the nearest of them, {format_strategy(space.strategy(nearest))}: {short}"
