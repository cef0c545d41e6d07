"""The first line of an answer, a sentence, and the header that stands above its tables."""

from collections.abc import Sequence
from typing import Any

from planner.console.format import format_rate, format_seconds, spell_strategy
from planner.questions.question import Question
from planner.search.limits_of_step import limits_of_step
from simdl.report.step_report import StepReport

HOUR = 3600.0
PORTIONS = {"sequence": (1e9, "billion tokens")}
"""Of what a training consists by kind of sample: how many, and their name; a million samples otherwise."""


def header(question: Question) -> str:
    """What an answer is about: network, cluster, batch, devices, length of a sample, precision and stack."""
    workload, cluster = question.workload, question.cluster
    network = workload.network
    words = [f"{network.name} on {cluster.name}", f"global batch {workload.global_batch}"]
    return ", ".join([*words, *_setting(question)])


def _setting(question: Question) -> list[str]:
    network, devices = question.workload.network, question.cluster.devices
    words = [f"{devices:,} device{'s' * (devices > 1)}"]
    if network.sample == "sequence":
        words.append(f"sequences of {network.tokens:,} tokens")
    return [*words, question.workload.precision.name, f"stack {question.stack.name}"]


def setting_json(question: Question) -> dict[str, Any]:
    """What always stands in an answer: devices, length of a sample, precision and stack.

    ``seq_len`` is None where samples are no sequences.
    """
    network = question.workload.network
    return {
        "devices": question.cluster.devices,
        "seq_len": network.tokens if network.sample == "sequence" else None,
        "precision": question.workload.precision.name,
        "stack": question.stack.name,
    }


def step_sentence(question: Question, report: StepReport, *, sure: str = "", also: Sequence[str] = ()) -> str:
    """What to run, on how many devices, how long a step takes, what it costs, what limits it, and how sure.

    Args:
        question: what was asked.
        report: of the step.
        sure: what is known beyond the interval, such as that a plan is certified.
        also: what the training takes, each a clause such as ``"90 epochs of imagenet take 3.4 h"``.
    """
    cluster, interval = question.cluster, report.interval
    devices = f"{cluster.devices:,} device{'s' * (cluster.devices > 1)}"
    within = f"{format_seconds(interval.low)} to {format_seconds(interval.high)} with {interval.level:.0%}"
    clauses = (
        f"a step takes {format_seconds(report.step_time)}, {within} ({interval.knowledge})",
        f"costs {step_cost_text(question, report)}",
        f"and is limited by {_limit(report)}",
        *also,
        *([sure] if sure else []),
    )
    return (
        f"Run {question.workload.network.name} on the {devices} of {cluster.name} with "
        f"{spell_strategy(report.strategy)}: {', '.join(clauses[:3])}"
        f"{''.join(f'; {clause}' for clause in clauses[3:])}."
    )


def step_cost_text(question: Question, report: StepReport) -> str:
    """Device-hours of as much training as is usually counted, such as a billion tokens."""
    network, devices = question.workload.network, question.cluster.devices
    hours = devices * report.step_time / HOUR
    amount, name = PORTIONS.get(network.sample, (1e6, f"million {network.sample}s"))
    each = question.workload.global_batch * (network.tokens if network.sample == "sequence" else 1)
    return f"{format_rate(hours * amount / each)} device-hours per {name}"


def _limit(report: StepReport) -> str:
    first = limits_of_step(report)[0]
    return f"{first.name} ({first.share:.0%} of it)"
