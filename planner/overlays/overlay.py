"""A measured step next to a simulated one: seconds by category, of which each has every instant in one.

The simulated categories come from the answer: kernels by kind, the optimizer, exposed communication, and
idle, which is the bubble, launch cost and what the software does outside kernels. Contention slows kernels
down, so it is shared out over them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from hardware.profiles import load_cluster
from planner.console.answers.breakdown_rows import real_amounts
from planner.kineto.facts import TraceFacts, differences
from planner.kineto.kinds import COMMUNICATION, IDLE, OPTIMIZER
from planner.kineto.measured_steps import MeasuredStep, MeasuredTrace
from planner.questions.answer_file import Answer
from planner.reasons.limits_of_step import COMMUNICATION as EXPOSED
from planner.reasons.limits_of_step import LIMITS
from workloads.registry import load_network

KERNELS = ("forward", "backward", "recompute")
CONTENTION = "contention"


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """Seconds of a step in one category, measured (mean over steps) and simulated (mean over ranks)."""

    name: str
    measured: float
    simulated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """A measured and a simulated step.

    Attributes:
        measured, simulated: [s] of the step; of measured ones the mean.
        categories: the largest first; both columns add up to the step.
    """

    measured: float
    simulated: float
    categories: tuple[Category, ...]


def overlay_trace(trace: MeasuredTrace, answer: Answer) -> Overlay:
    """Put the steps of a trace next to an answer."""
    measured = real_amounts(_mean([step.kinds for step in trace.steps]))
    simulated = real_amounts(simulated_categories(answer))
    names = dict.fromkeys([*measured, *simulated])
    categories = [
        Category(name=name, measured=measured.get(name, 0.0), simulated=simulated.get(name, 0.0))
        for name in names
    ]
    categories.sort(key=lambda category: -max(category.measured, category.simulated))
    return Overlay(
        measured=fmean(step.seconds for step in trace.steps),
        simulated=answer.step_time,
        categories=tuple(categories),
    )


def run_differences(trace: MeasuredTrace, answer: Answer) -> Iterator[str]:
    """Where the trace is of another run than the answer, one sentence each.

    Raises:
        WorkloadError, HardwareError: the answer's model or cluster can no longer be read.
    """
    if trace.facts == TraceFacts():
        return
    options = answer.question
    cluster = load_cluster(options.cluster)
    yield from differences(
        trace.facts,
        devices=cluster.devices,
        device=cluster.device.name if trace.on_device else "",
        network=load_network(options.model, tokens=options.seq_len),
        tensor=int(answer.strategy.get("tp", 1) or 1),
    )


def typical_step(trace: MeasuredTrace) -> MeasuredStep:
    """The step of median duration, the lower one of two."""
    ordered = sorted(trace.steps, key=lambda step: step.seconds)
    return ordered[(len(ordered) - 1) // 2]


def simulated_categories(answer: Answer) -> dict[str, float]:
    """[s] of a simulated step by category; adds up to the step time."""
    causes = answer.breakdown
    kernels = sum(answer.kernels.values())
    slowed = 1 + causes.get(CONTENTION, 0.0) / kernels if kernels else 1.0
    found = {kind: seconds * slowed for kind, seconds in answer.kernels.items()}
    for cause, seconds in causes.items():
        if cause not in {*KERNELS, CONTENTION}:
            category = _category(cause)
            found[category] = found.get(category, 0.0) + seconds
    return found


def _category(cause: str) -> str:
    if cause == OPTIMIZER:
        return OPTIMIZER
    return COMMUNICATION if LIMITS.get(cause) == EXPOSED else IDLE


def _mean(steps: list[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for kinds in steps for name in kinds)
    return {name: fmean(kinds.get(name, 0.0) for kinds in steps) for name in names}
