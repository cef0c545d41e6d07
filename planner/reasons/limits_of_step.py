"""What bounds a step: its time by kind of limit, and what removing each could gain at most.

Removing a cause shortens the critical path by the seconds it takes there, while every other chain of tasks
keeps its length: the step gains at most these seconds. The bubble is not on the critical path; a step
without it would take the mean busy time of its ranks.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from planner.console.answers.breakdown_rows import real_amounts
from planner.questions.answer_file import Answer
from simdl.report.step_report import StepReport

COMPUTE, BANDWIDTH = "compute", "memory bandwidth"
COMMUNICATION, BUBBLE, LAUNCH = "exposed communication", "bubble", "launch cost"
OTHER = "other"
INPUT = "input pipeline"
KERNELS = ("forward", "backward", "recompute")
LIMITS = {
    "optimizer": BANDWIDTH,
    "host_transfer": BANDWIDTH,
    "input": INPUT,
    "tensor_communication": COMMUNICATION,
    "context_communication": COMMUNICATION,
    "expert_communication": COMMUNICATION,
    "pipeline_communication": COMMUNICATION,
    "data_communication": COMMUNICATION,
    "resharding": COMMUNICATION,
    "contention": COMMUNICATION,
    "launch": LAUNCH,
    "overhead": LAUNCH,
    "bubble": BUBBLE,
}
"""Limit by cause; kernels are divided between compute and memory bandwidth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One kind of limit.

    Attributes:
        name: such as ``"compute"``.
        seconds: [s] mean over ranks; the limits of a step add up to the step time.
        share: of the step time.
        critical: [s] on the critical path.
        gain: [s] that the step could at most become shorter without it.
    """

    name: str
    seconds: float
    share: float
    critical: float
    gain: float


def limits_of_step(answer: Answer | StepReport) -> tuple[Limit, ...]:
    """All limits of a step, the largest first."""
    mean = _by_limit(answer.breakdown, answer.memory_bound_fraction)
    critical = _by_limit(answer.critical_path, answer.memory_bound_fraction)
    limits = [
        Limit(
            name=name,
            seconds=seconds,
            share=seconds / answer.step_time,
            critical=critical.get(name, 0.0),
            gain=seconds if name == BUBBLE else critical.get(name, 0.0),
        )
        for name, seconds in mean.items()
    ]
    return tuple(sorted(limits, key=lambda limit: -limit.seconds))


def explanation_json(answer: Answer) -> dict[str, Any]:
    """What `simdl explain` says of an answer, by key."""
    limits = limits_of_step(answer)
    return {
        "step_time": answer.step_time,
        "bound_by": limits[0].name,
        "limits": [asdict(limit) for limit in limits],
        "critical_path": answer.critical_path,
        "critical_operators": answer.critical_operators,
    }


def _by_limit(causes: Mapping[str, float], memory_bound: float) -> dict[str, float]:
    found = dict.fromkeys((COMPUTE, BANDWIDTH, COMMUNICATION, BUBBLE, LAUNCH), 0.0)
    for cause, seconds in real_amounts(causes).items():
        if cause in KERNELS:
            found[COMPUTE] += seconds * (1 - memory_bound)
            found[BANDWIDTH] += seconds * memory_bound
        else:
            name = LIMITS.get(cause, OTHER)
            found[name] = found.get(name, 0.0) + seconds
    return found
