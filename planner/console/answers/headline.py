"""The first line of an answer, a sentence, and the header that stands above its tables."""

from collections.abc import Sequence
from math import prod
from typing import Any

from planner.console.format import format_rate, format_seconds, spell_strategy
from planner.questions.answer_file import Answer
from planner.questions.device_speeds import slow_devices
from planner.questions.question import Question
from planner.reasons.limits_of_step import limits_of_step
from planner.search.plan import PlanResult
from simdl.report.certainty import Interval
from simdl.report.step_report import StepReport
from workloads.network import Network

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
    devices = question.cluster.devices
    return [f"{devices:,} device{'s' * (devices > 1)}", *setting_of(question)]


def setting_of(question: Question) -> list[str]:
    """Length of a sample, precision and stack, in words."""
    network = question.workload.network
    words = [f"sequences of {network.tokens:,} tokens"] if network.sample == "sequence" else []
    words += uneven(question.options.imbalance)
    words += [slow_devices(question.speeds)] if question.speeds else []
    return [*words, question.workload.precision.name, f"stack {question.stack.name}"]


def uneven(imbalance: float | None) -> list[str]:
    """The load of experts, in words, where one was said."""
    return [] if imbalance is None else [f"load imbalance {imbalance:g}"]


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
    cost = device_hours(
        question.workload.network, devices=question.cluster.devices, samples_per_s=report.samples_per_s
    )
    clauses = (
        f"a step takes {format_seconds(report.step_time)}, {interval_text(report.interval)}",
        f"costs {cost}",
        f"and is limited by {_limit(report)}",
        *also,
        *([sure] if sure else []),
    )
    return (
        f"Run {question.workload.network.name} on {devices_of(question)} with "
        f"{spell_strategy(report.strategy)}: {', '.join(clauses[:3])}"
        f"{''.join(f'; {clause}' for clause in clauses[3:])}."
    )


def interval_text(interval: Interval) -> str:
    """How sure a time is."""
    low, high = format_seconds(interval.low), format_seconds(interval.high)
    return f"{low} to {high} with {interval.level:.0%} certainty ({interval.knowledge})"


def plan_sentence(question: Question, result: PlanResult, *, tied: int, also: Sequence[str] = ()) -> str:
    """The first plan as :func:`step_sentence` says it, or that there is none.

    Args:
        question: what was asked.
        result: the ranked strategies.
        tied: plans, from the first on, that cannot be told apart.
        also: what the training takes, each a clause.
    """
    if not result.plans:
        return (
            f"There is no feasible plan for {question.workload.network.name} on {devices_of(question)}: "
            f"{result.reasons[-1].removeprefix(f'{question.cluster.name}: ')}."
        )
    return step_sentence(question, result.plans[0].report, sure=_sure(result, tied), also=also)


def _sure(result: PlanResult, tied: int) -> str:
    """How sure it is that the first plan is the best."""
    if not result.certified:
        return f"not certified to be the fastest: {result.uncertified}"
    alike = f", though {tied - 1} other{'s' * (tied > 2)} cannot be told from it" if tied > 1 else ""
    return f"it is certified the fastest of {result.candidates:,} candidates{alike}"


def answer_header(answer: Answer) -> str:
    """What an answer in a file is about, as :func:`header` says it."""
    question, strategy = answer.question, answer.strategy
    devices = prod(strategy.get(name) or 1 for name in ("dp", "tp", "pp", "cp", "split_degree"))
    words = [f"{question.model} on {question.cluster}", f"global batch {question.global_batch}"]
    words.append(f"{devices:,} device{'s' * (devices > 1)}")
    if (tokens := round(answer.tokens_per_s / answer.samples_per_s)) > 1:
        words.append(f"sequences of {tokens:,} tokens")
    words += uneven(question.imbalance)
    return ", ".join([*words, str(question.precision), f"stack {question.stack}"])


def devices_of(question: Question) -> str:
    """Devices with the cluster that has them: ``the 8 devices of dgx-a100:1``."""
    devices = question.cluster.devices
    return f"the {devices:,} device{'s' * (devices > 1)} of {question.cluster.name}"


def device_hours(network: Network, *, devices: int, samples_per_s: float) -> str:
    """Device-hours of as much training as is usually counted, such as a billion tokens."""
    amount, name = PORTIONS.get(network.sample, (1e6, f"million {network.sample}s"))
    each = network.tokens if network.sample == "sequence" else 1
    hours = devices * amount / (samples_per_s * each) / HOUR
    return f"{format_rate(hours)} device-hours per {name}"


def _limit(report: StepReport) -> str:
    first = limits_of_step(report)[0]
    return f"{first.name} ({first.share:.0%} of it)"
