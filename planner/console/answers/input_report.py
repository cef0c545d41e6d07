"""What an input pipeline does to a step: its stages, and which of them binds; JSON and lines."""

from collections.abc import Iterator, Mapping
from typing import Any

from planner.console.format import format_rate, format_seconds
from planner.questions.question import Question
from simdl.report.step_report import StepReport
from simdl.step.lowering.inputs import stage_seconds

BINDS = 0.999  # of a step that a stage works: it is what the step waits for


def input_json(question: Question, report: StepReport) -> dict[str, Any]:
    """The input pipeline of one step by key; empty without one."""
    inputs = question.workload.inputs
    if inputs is None:
        return {}
    seconds = stage_seconds(question.workload, report.strategy, question.cluster)
    longest = max(seconds.values(), default=0.0)
    found = {
        "name": inputs.name,
        "stages": [
            {
                "name": stage.name,
                "what": stage.what,
                "seconds": seconds[stage.name],
                "share": seconds[stage.name] / report.step_time,
            }
            for stage in inputs.stages
        ],
        "binds": [name for name, time in seconds.items() if time >= BINDS * report.step_time],
        "samples_per_s": question.workload.global_batch / longest if longest else None,
        "waiting": report.breakdown.get("input", 0.0),
    }
    return {"input_pipeline": found}


def input_clauses(data: Mapping[str, Any]) -> list[str]:
    """What the first sentence of an answer says of the input pipeline: only that it binds."""
    found = data.get("input_pipeline")
    return [f"its input pipeline binds ({' and '.join(found['binds'])})"] if found and found["binds"] else []


def input_lines(data: Mapping[str, Any]) -> Iterator[str]:
    """The input pipeline of an answer in sentences; none without one."""
    found = data.get("input_pipeline")
    if found is None:
        return
    for stage in found["stages"]:
        yield (
            f"input pipeline: {stage['name']} works {format_seconds(stage['seconds'])} of the step "
            f"({stage['share']:.0%}; {stage['what']})"
        )
    if not found["binds"]:
        yield "input pipeline: does not bind"
        return
    most = format_rate(found["samples_per_s"])
    yield (
        f"input pipeline: binds ({' and '.join(found['binds'])}): at most {most} samples/s come through, and "
        f"a step waits {format_seconds(found['waiting'])} for them"
    )
