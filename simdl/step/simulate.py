"""The front door: workload, cluster and strategy to a timeline and its report."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any

from hardware.attention_kernels import kernel_numbers
from hardware.citation import CitedNumber
from hardware.cluster import Cluster, drift_of
from hardware.device import Device
from simdl.collector import collector_paused
from simdl.communication.library import load_library
from simdl.engine.run import run
from simdl.engine.timeline import Timeline
from simdl.errors import SimdlError, StrategyError
from simdl.kernels.cost_model import CostModel, DeviceCostModel
from simdl.kernels.pricing import Pricing
from simdl.kernels.vocabulary import with_padded_vocabulary
from simdl.memory.context import device_contexts
from simdl.memory.needs import memory_by_rank, memory_shortfalls, paging_notes
from simdl.program.unfolding import apart, every_rank, unfold
from simdl.report.certainty import drift_notes, evidence_seconds, kind_of, knowledge_of
from simdl.report.communication import message_uses
from simdl.report.critical_tasks import critical_actions, total_parts
from simdl.report.kernel_evidence import untold_kernels
from simdl.report.kernel_uses import kernel_uses, memory_bound_fraction
from simdl.report.operator_times import critical_operators, kernel_times
from simdl.report.residuals import residual_seconds
from simdl.report.step_report import StepReport
from simdl.report.timeline_metrics import breakdowns
from simdl.software.stack import Stack
from simdl.step.costs.step_cost import StepCost
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.kinds import uniform_clusters
from simdl.step.lowering.folding import run_step
from simdl.step.lowering.step_lowering import lower
from simdl.step.mixed import MixedStep, mixed_program, mixed_step, share_problems
from simdl.step.mixed_report import mixed_report, slowest_part
from simdl.step.steady import measured
from simdl.step.strategy import PASSES, Strategy, problems, refused
from workloads.workload import Workload

COMMUNICATION = (
    "tensor_communication",
    "context_communication",
    "expert_communication",
    "resharding",
    "pipeline_communication",
    "data_communication",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulation:
    """What one simulated step gives.

    Attributes:
        report: the metrics.
        timeline: from which they were read.
        step: what was priced; of a mixed cluster, as if all nodes were of its slowest kind.
    """

    report: StepReport
    timeline: Timeline
    step: StepCost

    def __repr__(self) -> str:
        return f"<Simulation: {self.report!r}>"


@collector_paused()  # events, tasks and times by the 10^5, none of them in a cycle
def simulate(
    workload: Workload,
    cluster: Cluster,
    strategy: Strategy,
    *,
    stack: Stack,
    cost_model: CostModel | None = None,
    unfolded: bool = False,
    speeds: Mapping[int, float] | None = None,
) -> Simulation:
    """Simulate one training step.

    Args:
        workload: what is computed.
        cluster: on what.
        strategy: how it is divided and carried out.
        stack: the software it runs on.
        cost_model: seconds per kernel; the device's own by default.
        unfolded: simulate every rank instead of one class of equal ranks per pipeline rank (slow; same
            result).
        speeds: of the devices of some ranks, as a factor of what the device profile says; 1 for the others.

    Returns:
        The report and the timeline. A step that does not fit in memory is simulated all the same; its report
        is not feasible and names the reasons.

    Raises:
        StrategyError: the strategy cannot be carried out, or a speed is none; carries every reason.
    """
    reasons = (
        *problems(strategy, workload, cluster),
        *share_problems(strategy, workload, cluster),
        *refused(strategy, stack),
        *_speed_problems(speeds or {}, strategy, workload, cluster),
    )
    if reasons:
        raise StrategyError(reasons)
    if cluster.more:
        return _simulate_mixed(
            workload, cluster, strategy, stack, cost_model, unfolded=unfolded, speeds=speeds
        )
    pricing = price(workload, cluster, stack=stack, cost_model=cost_model)
    step = step_cost(workload, strategy, pricing)
    lanes = strategy.devices // (strategy.dp * strategy.pp)
    if unfolded or speeds:
        alone = apart([*(speeds or {})], replicas=strategy.dp, lanes=lanes)
        slices = every_rank(strategy.dp, lanes) if unfolded else alone
        timeline = measured(run(unfold(lower(step), slices, speeds)), step)
    else:
        timeline = run_step(step).timeline
    return Simulation(report=report(step, timeline), timeline=timeline, step=step)


def _simulate_mixed(
    workload: Workload,
    cluster: Cluster,
    strategy: Strategy,
    stack: Stack,
    cost_model: CostModel | None,
    *,
    unfolded: bool,
    speeds: Mapping[int, float] | None,
) -> Simulation:
    """Simulate a step on nodes of several types."""
    pricings = [
        price(workload, uniform, stack=stack, cost_model=cost_model) for uniform in uniform_clusters(cluster)
    ]
    step = mixed_step(workload, cluster, strategy, pricings)
    slices = every_rank(strategy.dp, step.lanes) if unfolded else ()
    return mixed_simulation(step, run(mixed_program(step, slices, speeds)))


def mixed_simulation(step: MixedStep, timeline: Timeline) -> Simulation:
    """What a step on nodes of several types gives, from the timeline of its program."""
    slowest = step.steps[slowest_part(step)]
    found = measured(timeline, slowest)
    return Simulation(report=mixed_report(step, report(slowest, found)), timeline=found, step=slowest)


def price(
    workload: Workload, cluster: Cluster, *, stack: Stack, cost_model: CostModel | None = None
) -> Pricing:
    """What prices the blocks of a workload on a cluster with a software stack.

    Raises:
        SimdlError: the cluster is mixed, and so has more than one price; the stack's library is unknown.
    """
    if cluster.more:
        raise SimdlError(
            f"cluster {cluster.name}: found {len(cluster.parts)} node types; expected one here (`simdl plan` "
            "and `simdl simulate` take mixed clusters)"
        )
    load_library(stack.library)  # read like the other profiles, before anything is priced
    device_contexts()
    return Pricing(
        network=with_padded_vocabulary(workload.network, int(stack.vocabulary_multiple)),
        precision=workload.precision,
        cluster=cluster,
        stack=stack,
        cost_model=cost_model or device_cost_model(cluster.device),
    )


@lru_cache(maxsize=256)
def device_cost_model(device: Device) -> CostModel:
    """The one cost model of a device, so that kernels are priced once per process."""
    return DeviceCostModel(device)


def report(step: StepCost, timeline: Timeline) -> StepReport:
    """Metrics of one step from its timeline."""
    seconds = timeline.step_time
    samples = step.workload.global_batch
    network = step.workload.network
    model_flops = float(network.model_flops) * samples
    recomputed = sum(block.recomputed_flops for stage in step.stages for block in stage.blocks)
    device, pp = step.pricing.cluster.device, step.strategy.pp
    peak = seconds * step.strategy.devices * device.flop_rate(step.workload.precision.matmul)
    causes, kernels = mean_breakdown(timeline), kernel_times(step)
    path = critical_actions(timeline)
    memory = _worst_rank(step)
    reasons = tuple(memory_shortfalls(step, device))
    return StepReport(
        step_time=seconds,
        samples_per_s=samples / seconds,
        tokens_per_s=samples * network.tokens / seconds,
        model_flops=model_flops,
        mfu=model_flops / peak,
        hfu=(model_flops + float(recomputed) * samples) / peak,
        flop_rate_per_device=model_flops / seconds / step.strategy.devices,
        peak_memory=sum(memory.values()),
        memory=memory,
        breakdown=causes,
        critical_path=total_parts(path),
        critical_operators=critical_operators(step, path),
        kernels=kernels,
        communication=message_uses(step, timeline),
        memory_bound_fraction=memory_bound_fraction(kernel_uses(step)),
        bubble_fraction=causes.get("bubble", 0.0) / seconds,
        exposed_communication=sum(causes.get(name, 0.0) for name in COMMUNICATION),
        weight_versions=max(step.pipeline.versions(rank, pp) for rank in range(pp)),
        staleness=max(step.pipeline.staleness(rank, pp) for rank in range(pp)),
        strategy=step.strategy,
        feasible=not reasons,
        reasons=reasons,
        warnings=(*step.warnings, *paging_notes(step), *drift_notes(drift_of(step.pricing.cluster))),
        provenance=_provenance(step, causes, kernels),
    )


def mean_breakdown(timeline: Timeline) -> dict[str, float]:
    """Seconds by cause, mean over ranks; every rank's causes add up to the step time, so the mean does."""
    ranks = breakdowns(timeline)
    total: dict[str, float] = {}
    for causes in ranks.values():
        for name, seconds in causes.items():
            total[name] = total.get(name, 0.0) + seconds
    return {name: seconds / len(ranks) for name, seconds in total.items()}


def _worst_rank(step: StepCost) -> Mapping[str, float]:
    return max(memory_by_rank(step), key=lambda parts: sum(parts.values()))


def _speed_problems(
    speeds: Mapping[int, float], strategy: Strategy, workload: Workload, cluster: Cluster
) -> Iterator[str]:
    for rank, speed in speeds.items():
        if not 0 <= rank < cluster.devices:
            yield f"speeds: found rank {rank}; expected 0 to {cluster.devices - 1}"
        elif not 0 < speed < inf:
            yield f"speeds: found {speed} for rank {rank}; expected a number above 0"
    width = max(1, strategy.devices // strategy.pp)
    lanes = max(1, width // strategy.dp)
    apart = len({rank % width // lanes for rank in speeds})
    copies = min(strategy.dp, 2 * apart + 1)
    passes = copies * strategy.passes(workload.global_batch)
    if apart and passes > PASSES:
        yield (
            f"speeds: devices of {apart:,} replicas are set apart, which makes {passes:,} passes; expected "
            f"at most {PASSES:,}: fewer such replicas, a larger micro-batch or a smaller global batch"
        )


def _provenance(step: StepCost, causes: Mapping[str, float], kernels: Mapping[str, float]) -> dict[str, Any]:
    """Where the number comes from: stack, profiles, and how many of their numbers are of which kind."""
    cluster, stack = step.pricing.cluster, step.stack
    numbers = [*stack.numbers, *cluster.node.numbers, *cluster.device.numbers]
    numbers += [number for level in cluster.levels for number in level.link.numbers]
    kinds: dict[str, int] = {}
    for number in numbers:
        kinds[number.citation.kind] = kinds.get(number.citation.kind, 0) + 1
    return {
        "stack": stack.name,
        "cluster": cluster.name,
        "device": cluster.device.name,
        "links": [level.link.name for level in cluster.levels],
        "network": step.workload.network.source,
        "numbers": kinds,
        "kernels": list(
            untold_kernels(
                cluster.device,
                kernels,
                precision=step.workload.precision,
                network=step.workload.network,
                stack=stack,
            )
        ),
        "knowledge": knowledge_of(stack, cluster.device),
        "kind": kind_of(step.workload.network),
        "drift": drift_of(cluster),
        "seconds": evidence_seconds(
            causes, kernels, stack, _priced_by(cluster), attention=_attention_numbers(cluster, stack)
        ),
        "residuals": residual_seconds(causes, kernels, stack),
    }


def _priced_by(cluster: Cluster) -> Iterator[CitedNumber]:
    """Numbers that price kernels and messages: of the device, and of the links that are in use."""
    yield from cluster.device.numbers
    for level in cluster.levels:
        yield from level.link.numbers


def _attention_numbers(cluster: Cluster, stack: Stack) -> tuple[CitedNumber, ...]:
    """Numbers that price fused attention where the algorithm was timed on the architecture."""
    kernels = cluster.device.attention_kernels.get(stack.attention_algorithm)
    return kernel_numbers(stack.attention_algorithm, kernels) if kernels else ()
