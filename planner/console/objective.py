"""The objective time to accuracy: which global batch, and what of the answer is measured or assumed."""

from dataclasses import replace
from typing import Any

import click

from planner.console.format import format_duration, format_rate, format_seconds, format_strategy
from planner.console.output import print_table
from planner.money.time_to_accuracy import (
    BatchPlan,
    candidate_batches,
    network_curve,
    only_looks_fast,
    plan_batches,
)
from planner.questions.question import Question
from planner.questions.strategy_file import strategy_json
from simdl.errors import SimdlError


def choose_batch(question: Question, samples: float | None) -> tuple[Question, dict[str, Any]]:
    """The question at the global batch of least time to the target, and how the batches compare.

    Args:
        question: its batch is one of those that are tried.
        samples: of a usual training, where its length was given.

    Raises:
        SimdlError: how samples grow with the batch is not known, no batch fits, or the cluster is mixed.
    """
    workload, cluster = question.workload, question.cluster
    if cluster.more:
        raise SimdlError(f"--objective time-to-accuracy: found {cluster.name}; expected nodes of one type")
    batch = workload.global_batch
    curve = network_curve(workload.network, name=question.options.model, batch=batch, samples=samples)
    batches = candidate_batches(curve, cluster, batch)
    found = plan_batches(workload, cluster, stack=question.stack, curve=curve, batches=batches)
    best = found[0].global_batch
    data = {
        "name": "time-to-accuracy",
        "global_batch": best,
        "critical_batch": curve.critical_batch,
        "least_samples": curve.least_samples,
        "measured": curve.measured,
        "assumed": list(curve.assumed),
        "batches": [_batch_json(each) for each in found],
        "only_looks_fast": only_looks_fast(found),
    }
    chosen = replace(
        question,
        workload=replace(workload, global_batch=best),
        options=replace(question.options, global_batch=best),
        assumptions=tuple(each for each in question.assumptions if not each.startswith("global batch")),
    )
    return chosen, data


def _batch_json(each: BatchPlan) -> dict[str, Any]:
    report = each.plan.report
    return {
        "global_batch": each.global_batch,
        "time_to_accuracy": each.seconds,
        "steps": each.steps,
        "samples": each.samples,
        "step_time": report.step_time,
        "samples_per_s": report.samples_per_s,
        "strategy": strategy_json(report.strategy),
        "strategy_text": format_strategy(report.strategy),
    }


def print_batches(question: Question, data: dict[str, Any]) -> None:
    """How the batches compare, best first."""
    rows = [
        (
            f"{each['global_batch']:,}",
            format_duration(each["time_to_accuracy"]),
            f"{each['steps']:,.0f}",
            format_seconds(each["step_time"]),
            format_rate(each["samples_per_s"]),
            each["strategy_text"],
        )
        for each in data["batches"]
    ]
    unit = f"{question.workload.network.sample}s/s"
    header = ("global batch", "to the target", "steps", "step", unit, "strategy")
    title = f"{question.options.model} on {question.cluster.name}: time to accuracy"
    print_table(header, rows, title=title)
    lines = [data["only_looks_fast"]] if data["only_looks_fast"] else []
    lines += [f"critical batch: {data['critical_batch']:,.0f} {question.workload.network.sample}s"]
    lines += [f"measured: {data['measured']}"] if data["measured"] else []
    lines += [f"assumed: {sentence}" for sentence in data["assumed"]]
    click.echo("\n".join(lines))
