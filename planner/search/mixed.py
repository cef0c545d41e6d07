"""Plans for a mixed cluster: candidates in the order of an estimate, the most promising simulated.

A bound over the cuts that all nodes alike would choose says nothing of a cut made for unlike nodes, so the
ranking is not certified. Candidates are ordered by what their bounds on each kind of node alone make of them:
replicas wait for the slowest kind, while pipeline stages that each stand on one kind, and replicas with
shares of their own, take work as their nodes are fast.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from hardware.cluster import Cluster
from planner.bounds.estimate import estimate_bounds
from planner.console.format import format_strategy
from planner.search.best_first import WORK, Progress
from planner.search.order import rank_key
from planner.search.plan import Plan, PlanResult, stack_limits
from planner.space.candidates import enumerate_space
from planner.space.prices import Floats
from simdl.memory.needs import usable_memory
from simdl.software.stack import Stack
from simdl.step.mixed import share_problems, uniform_clusters
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy
from workloads.workload import Workload

SIMULATIONS = 60
"""Candidates that are simulated unless told otherwise."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A strategy, and what it may take."""

    estimate: float
    strategy: Strategy


def plan_mixed(
    workload: Workload,
    cluster: Cluster,
    *,
    stack: Stack,
    top: int = 5,
    max_simulations: int | None = None,
    uneven: bool = False,
    progress: Progress | None = None,
) -> PlanResult:
    """The ``top`` fastest strategies that were found for a mixed cluster.

    Args:
        workload: what is computed.
        cluster: nodes of several types.
        stack: the software it runs on.
        top: plans wanted.
        max_simulations: candidates to simulate; None for ``SIMULATIONS``.
        uneven: whether replicas on faster nodes may have more microbatches than others.
        progress: told about every candidate simulated.
    """
    started = time.perf_counter()
    found, unfit = _candidates(workload, cluster, stack, uneven=uneven)
    found.sort(key=lambda each: each.estimate)
    tried = found[: max_simulations or SIMULATIONS]
    plans, reasons = [], []
    passes = simulated = 0
    for done, each in enumerate(tried, start=1):
        passes += each.strategy.passes(workload.global_batch)
        if passes > WORK and done > 1:
            reasons.append(f"{len(tried) - simulated} candidates are not simulated: their steps are too long")
            break
        simulated = done
        report = simulate(workload, cluster, each.strategy, stack=stack).report
        if report.feasible:
            plans.append(Plan(bound=0.0, report=report))
        else:
            reasons.append(f"{format_strategy(each.strategy)}: {report.reasons[0]}")
        if progress is not None:
            progress(done, len(tried))
    plans.sort(key=lambda plan: rank_key(plan.report))
    if unfit:
        reasons.append(f"{unfit} of {unfit + len(found)} candidates need more memory than any device has")
    if not found and not unfit:
        reasons.append(
            f"no product dp x tp x pp x cp = {cluster.devices} divides {workload.network.name} and the "
            f"global batch {workload.global_batch}; expected a global batch that more replicas divide, or "
            "fewer devices"
        )
    return PlanResult(
        plans=tuple(plans[:top]),
        candidates=len(found) + unfit,
        feasible=len(found),
        simulated=simulated,
        certified=False,
        certified_over="",
        uncertified=(
            "candidates of a mixed cluster are ordered by an estimate, because no bound is known for stages "
            f"cut to unlike nodes; {simulated} of {len(found)} that may fit were simulated"
        ),
        wall_time=time.perf_counter() - started,
        reasons=tuple(reasons),
        why=(),
    )


def _candidates(
    workload: Workload, cluster: Cluster, stack: Stack, *, uneven: bool
) -> tuple[list[_Candidate], int]:
    """Candidates that may fit with their estimates, and how many fit on no kind of node."""
    views = uniform_clusters(cluster)
    space = enumerate_space(workload, views[0], limits=stack_limits(stack))
    if not len(space):
        return [], 0
    bounds = [estimate_bounds(space, workload, price(workload, view, stack=stack)) for view in views]
    usable = [usable_memory(stack, view.device) for view in views]
    room = np.array([bound.memory <= most for bound, most in zip(bounds, usable, strict=True)])
    fits = np.where(space.pp > 1, room.any(axis=0), room.all(axis=0))
    times = np.array([bound.step_time for bound in bounds])
    found = []
    for index in np.flatnonzero(fits).tolist():
        strategy, seconds = space.strategy(index), times[:, index]
        shared = _shared(seconds, cluster)
        apart = strategy.pp > 1 and _stages_apart(strategy, cluster)
        found.append(_Candidate(shared if apart else float(seconds.max()), strategy))
        if uneven and strategy.pp == 1 and strategy.zero < 2:
            given = _with_shares(strategy, seconds, workload, cluster)
            found += [_Candidate(shared, given)] if given is not None else []
    return found, int(len(space) - fits.sum())


def _shared(seconds: Floats, cluster: Cluster) -> float:
    """[s] where every device has as much work as it is fast: the harmonic mean of the kinds by devices."""
    devices = np.array([part.devices for part in cluster.parts])
    return float(cluster.devices / (devices / seconds).sum())


def _stages_apart(strategy: Strategy, cluster: Cluster) -> bool:
    """Whether all ranks of every pipeline rank stand on one kind of node."""
    width = strategy.devices // strategy.pp
    starts = np.cumsum([part.devices for part in cluster.parts])
    return not (starts % width).any()


def _with_shares(
    strategy: Strategy, seconds: Floats, workload: Workload, cluster: Cluster
) -> Strategy | None:
    """The strategy with the microbatches per replica that its slowest replica is done with first."""
    lanes = strategy.tp * strategy.cp
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
