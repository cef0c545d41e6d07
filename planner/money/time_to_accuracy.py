"""Time to accuracy: the global batch with the least time to a target, which is not the fastest in samples/s.

Each batch is planned for itself, layers undivided; its best step times the steps that training needs at it
(:mod:`workloads.convergence`) is its time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import floor, log2

from hardware.cluster import Cluster
from planner.errors import InfeasibleError
from planner.search.plan import Plan, plan
from simdl.errors import SimdlError
from simdl.software.stack import Stack
from workloads.convergence import Curve, decoder_curve, measured_curve
from workloads.network import Network
from workloads.registry import load_convergence
from workloads.workload import Workload

BELOW, ABOVE = 16, 2  # batches from a sixteenth of the critical one to twice it
BATCHES = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchPlan:
    """The best plan of one global batch.

    Attributes:
        global_batch: samples of a step.
        plan: the fastest strategy.
        samples: to the target.
        steps: to the target.
        seconds: to the target.
    """

    global_batch: int
    plan: Plan
    samples: float
    steps: float
    seconds: float

    @property
    def samples_per_s(self) -> float:
        """Throughput."""
        return self.plan.report.samples_per_s


def network_curve(network: Network, *, name: str, batch: int, samples: float | None) -> Curve:
    """What is known or assumed of a network's convergence.

    Args:
        network: what is trained.
        name: as the question calls it.
        batch: samples of a step of a usual training.
        samples: of a usual training; None where nobody says.

    Raises:
        SimdlError: nothing is known, and nothing that could be assumed was said.
    """
    known = load_convergence(name)
    if known is not None:
        return measured_curve(known)
    if network.sample == "sequence" and samples is not None:
        return decoder_curve(network, batch=batch, samples=samples)
    hint = (
        "--horizon, or --epochs and --dataset, which say how long a training is"
        if network.sample == "sequence"
        else ""
    )
    raise SimdlError(
        f"{name}: how its samples to a target grow with the batch is not known; expected a network whose "
        f"file says, such as resnet50, bert-large or gpt3-175b{f', or {hint}' if hint else ''}"
    )


def candidate_batches(curve: Curve, cluster: Cluster, asked: int) -> tuple[int, ...]:
    """Batches by powers of two around the critical one that the devices share, and the one asked for.

    They begin at the one asked for where that is smaller. The odd factor of the devices is in all of them.
    """
    odd = _odd(cluster)
    smallest = min(asked, curve.critical_batch / BELOW) / odd
    first = max(0, floor(log2(max(1.0, smallest))))
    last = max(first, round(log2(max(1.0, curve.critical_batch * ABOVE / odd))))
    found = [odd * 2**power for power in range(first, last + 1)]
    return tuple(sorted({*found[-BATCHES:], asked}))


def _odd(cluster: Cluster) -> int:
    return cluster.devices // (cluster.devices & -cluster.devices)


def plan_batches(
    workload: Workload, cluster: Cluster, *, stack: Stack, curve: Curve, batches: Sequence[int]
) -> tuple[BatchPlan, ...]:
    """The best plan of each batch that has one, least time to the target first.

    While the smallest batch is the best, smaller ones are tried.

    Raises:
        InfeasibleError: no batch has a plan.
    """
    found = _sorted(_plans(workload, cluster, stack=stack, curve=curve, batches=batches))
    if not found:
        raise InfeasibleError(f"{workload.network.name} on {cluster.name} at batches {batches}", {})
    while found[0].global_batch == min(each.global_batch for each in found):
        half = found[0].global_batch // 2
        if half < 1 or half % _odd(cluster):
            break
        more = [*_plans(workload, cluster, stack=stack, curve=curve, batches=(half,))]
        if not more:
            break
        found = _sorted([*found, *more])
    return tuple(found)


def _sorted(plans: Iterable[BatchPlan]) -> list[BatchPlan]:
    return sorted(plans, key=lambda each: each.seconds)


def _plans(
    workload: Workload, cluster: Cluster, *, stack: Stack, curve: Curve, batches: Sequence[int]
) -> Iterator[BatchPlan]:
    for batch in batches:
        result = plan(replace(workload, global_batch=batch), cluster, stack=stack, top=1, split_layers=False)
        if result.plans:
            best = result.plans[0]
            steps = curve.steps(batch)
            yield BatchPlan(
                global_batch=batch,
                plan=best,
                samples=curve.samples(batch),
                steps=steps,
                seconds=steps * best.report.step_time,
            )


def only_looks_fast(found: Sequence[BatchPlan]) -> str:
    """Why the batch with the highest throughput is not the one to take; empty if it is."""
    best, fastest = found[0], max(found, key=lambda each: each.samples_per_s)
    if fastest is best:
        return ""
    faster = fastest.samples_per_s / best.samples_per_s - 1
    more, longer = fastest.samples / best.samples - 1, fastest.seconds / best.seconds - 1
    return (
        f"batch {fastest.global_batch:,} only looks faster: {faster:.1%} more samples/s, but {more:.1%} more "
        f"samples to the target, so {longer:.1%} more time than batch {best.global_batch:,}"
    )
