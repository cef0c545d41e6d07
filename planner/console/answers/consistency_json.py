"""The answer of `simdl consistency`: by key, as a sentence and as rows, and the time to accuracy."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from planner.console.answers.headline import device_hours, setting_json
from planner.console.format import (
    format_duration,
    format_rate,
    format_seconds,
    format_strategy,
    spell_strategy,
)
from planner.questions.question import Question
from planner.questions.strategy_file import strategy_json
from planner.questions.training_choice import TrainingChoice
from simdl.step.strategy import Strategy
from simdl.synchrony.registry import SCHEMES
from simdl.synchrony.simulate import Comparison
from workloads.convergence import measured_curve
from workloads.registry import load_convergence


def comparison_json(choice: TrainingChoice, found: Comparison) -> dict[str, Any]:
    """A comparison by key, in base units."""
    outcome, plain = found.outcome, found.synchronous
    question, strategy, setting = choice.question, choice.strategy, choice.setting
    return {
        "headline": comparison_sentence(question, strategy, found),
        **setting_json(question),
        "model": question.options.model,
        "cluster": question.cluster.name,
        "global_batch": question.workload.global_batch,
        "scheme": outcome.scheme,
        "workers": setting.workers,
        "needed": setting.needed,
        "servers": setting.servers,
        "bound": setting.bound if "bound" in SCHEMES[outcome.scheme].options else None,
        "period": setting.period if "period" in SCHEMES[outcome.scheme].options else None,
        "steps": setting.steps,
        "seed": setting.seed,
        "slowdown": [each.text for each in choice.slowdowns],
        "strategy": strategy_json(strategy),
        "chosen": choice.chosen or None,
        "duration": outcome.duration,
        "step_time": outcome.step_time,
        "samples_per_s": outcome.samples_per_s,
        "tokens_per_s": outcome.samples_per_s * question.workload.network.tokens,
        "updates_per_s": outcome.updates_per_s,
        "staleness": {
            "mean": outcome.staleness_mean,
            "max": outcome.staleness_max,
            "unit": outcome.staleness_unit,
        },
        "waiting": {"per_step": outcome.waiting, "share": outcome.waiting_share},
        "server_load": outcome.server_load if setting.servers else None,
        "dropped": outcome.dropped,
        "links": [asdict(link) for link in outcome.links],
        "expected_step_time": found.expected,
        "synchronous": {
            "undisturbed_step_time": found.ordinary,
            "step_time": plain.step_time,
            "samples_per_s": plain.samples_per_s,
            "waiting": {"per_step": plain.waiting, "share": plain.waiting_share},
            "expected_step_time": found.expected_synchronous,
            "links": [asdict(link) for link in plain.links],
        },
        "speedup": plain.step_time / outcome.step_time,
        "removed": found.removed,
        "assumptions": list(question.assumptions),
        "time_to_accuracy": time_to_accuracy(question, found),
        "warnings": [*found.warnings, *([ACCURACY] if outcome.scheme != "synchronous" else [])],
    }


def comparison_sentence(question: Question, strategy: Strategy, found: Comparison) -> str:
    """What to run on how many devices, how long a step takes, what that costs, what limits it, how sure."""
    outcome, plain = found.outcome, found.synchronous
    devices = outcome.workers * strategy.devices // strategy.dp
    cost = device_hours(question.workload.network, devices=devices, samples_per_s=outcome.samples_per_s)
    against = f", {plain.step_time / outcome.step_time:.4g} times as fast as synchronous steps slowed alike"
    return (
        f"Run {question.options.model} by the scheme {outcome.scheme} on {devices:,} "
        f"device{'s' * (devices > 1)} of {question.cluster.name} with {spell_strategy(strategy)}: "
        f"a step takes {format_seconds(outcome.step_time)}{'' if outcome is plain else against}, "
        f"costs {cost}, and {outcome.waiting_share:z.1%} of a "
        f"worker's time is spent waiting; means of {outcome.steps:g} simulated steps of each worker."
    )


def comparison_rows(
    choice: TrainingChoice, found: Comparison, data: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Names and texts of the numbers that the command prints first."""
    outcome = found.outcome
    stale = f"{outcome.staleness_mean:.4g} on average, {outcome.staleness_max:.4g} at most"
    rows = [
        ("strategy of a step", format_strategy(choice.strategy)),
        ("workers", f"{outcome.workers}" + (f", {outcome.servers} servers" if outcome.servers else "")),
        ("step time", format_seconds(outcome.step_time)),
        (f"{choice.question.workload.network.sample}s/s", format_rate(outcome.samples_per_s)),
        ("staleness", f"{stale} [{outcome.staleness_unit}]"),
        (
            "waiting",
            f"{format_seconds(outcome.waiting)} a step, {outcome.waiting_share:z.1%} of a worker's time",
        ),
    ]
    if outcome.servers:
        rows.append(("server load", f"{outcome.server_load:z.1%} of the busiest"))
    if outcome.dropped:
        rows.append(("dropped gradients", f"{outcome.dropped:z.1%}"))
    if found.expected is not None:
        rows.append(("expected by order statistics", format_seconds(found.expected)))
    rows.append(("synchronous, undisturbed", format_seconds(found.ordinary)))
    if outcome is not found.synchronous:
        rows.append(("synchronous, slowed alike", format_seconds(found.synchronous.step_time)))
        rows.append(("speed-up over it", f"{data['speedup']:.4g}"))
        if found.removed is not None:
            rows.append(("of the slow-downs' cost removed", f"{found.removed:z.1%}"))
    if (accuracy := data["time_to_accuracy"]) is not None:
        rows.append(("to the target", format_duration(accuracy["seconds"])))
        if outcome is not found.synchronous:
            rows.append(("to the target, synchronous", format_duration(accuracy["synchronous_seconds"])))
    return rows


def comparison_notes(data: Mapping[str, Any]) -> list[str]:
    """What was assumed and measured, and what to know of it, a line each."""
    lines = [f"assumed: {sentence}" for sentence in data["assumptions"]]
    if (accuracy := data["time_to_accuracy"]) is not None:
        lines.append(f"measured: {accuracy['measured']}")
        lines += [f"assumed: {sentence}" for sentence in accuracy["assumed"]]
    return [*lines, *(f"warning: {sentence}" for sentence in data["warnings"])]


ACCURACY = (
    "throughput only: what staleness, dropped gradients or averaging do to the steps that training needs is "
    "not counted in the speed-up"
)
STALE = "staleness acts as a delay on a quadratic does (Levin and May 1976), and in no other way"


def time_to_accuracy(question: Question, found: Comparison) -> dict[str, Any] | None:
    """Seconds to the network's target by the scheme and synchronously; None where they are not known.

    They are known for networks whose file says how samples grow with the batch, and for schemes whose
    updates are whole steps or single gradients with a staleness in updates.
    """
    outcome, batch = found.outcome, question.workload.global_batch
    known = load_convergence(question.options.model)
    whole = outcome.scheme in {"synchronous", "backup-workers"}
    if known is None or not (whole or outcome.staleness_unit == "updates"):
        return None
    curve = measured_curve(known)
    plain = curve.steps(batch) * found.synchronous.step_time
    if whole:
        updates = curve.steps(batch)
        seconds = updates * outcome.step_time
    else:
        updates = curve.steps(batch / outcome.needed, outcome.staleness_mean)
        seconds = updates / outcome.updates_per_s
    return {
        "updates": updates,
        "seconds": seconds,
        "synchronous_seconds": plain,
        "measured": curve.measured,
        "assumed": [*curve.assumed, *([] if whole else [STALE])],
    }
