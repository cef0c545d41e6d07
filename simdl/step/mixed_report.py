"""The report of a step on a mixed cluster: that of its slowest kind of node, with the totals of all kinds."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simdl.report.step_report import StepReport
from simdl.step.mixed import MixedStep, mixed_memory, mixed_shortfalls


def slowest_part(step: MixedStep) -> int:
    """The part of the cluster whose devices have the lowest matrix peak."""
    dtype = step.workload.precision.matmul
    return min(
        range(len(step.steps)), key=lambda part: step.steps[part].pricing.cluster.device.flop_rate(dtype)
    )


def mixed_report(step: MixedStep, own: StepReport) -> StepReport:
    """The report of the whole cluster.

    Peaks, memory and provenance are those of all nodes; the fullest device is the one with least room left.

    Args:
        step: the priced step.
        own: the report of the step with the kernels of its slowest part.
    """
    workload, seconds = step.workload, own.step_time
    dtype, devices = workload.precision.matmul, step.cluster.devices
    peak = seconds * sum(part.devices * part.device.flop_rate(dtype) for part in step.cluster.parts)
    model_flops = float(workload.network.model_flops) * workload.global_batch
    memory = _fullest(step)
    reasons = tuple(mixed_shortfalls(step))
    name = step.cluster.parts[slowest_part(step)].node.name
    return replace(
        own,
        samples_per_s=workload.global_batch / seconds,
        tokens_per_s=workload.global_batch * workload.network.tokens / seconds,
        model_flops=model_flops,
        mfu=model_flops / peak,
        hfu=model_flops / peak * (own.hfu / own.mfu),
        flop_rate_per_device=model_flops / seconds / devices,
        peak_memory=sum(memory.values()),
        memory=memory,
        strategy=step.strategy,
        feasible=not reasons,
        reasons=reasons,
        warnings=(
            *own.warnings,
            f"kernels and operators are those of {name}, the slowest of the mixed cluster",
        ),
        provenance={**own.provenance, **_provenance(step)},
    )


def _fullest(step: MixedStep) -> Mapping[str, float]:
    """[bytes] by part of memory on the device that has least room left."""
    capacity = [part.device.memory_capacity for part in step.cluster.parts]
    found = min(mixed_memory(step), key=lambda each: capacity[each[0]] - sum(each[2].values()))
    return found[2]


def _provenance(step: MixedStep) -> dict[str, Any]:
    parts = step.cluster.parts
    return {
        "cluster": step.cluster.name,
        "device": ", ".join(dict.fromkeys(part.device.name for part in parts)),
        "links": list(dict.fromkeys(level.link.name for part in parts for level in part.levels)),
    }
