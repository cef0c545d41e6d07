"""The question of scaling: a range of clusters, the stack as it is changed for it, and the answer by key."""

import re
from dataclasses import asdict, replace
from typing import Any

from hardware.cluster import drift_of
from planner.console.answers.headline import device_hours, interval_text, setting_json
from planner.console.format import format_seconds
from planner.console.options.option_values import option_quantity
from planner.questions.question import Question
from planner.scaling.curves import ScaleCurve, ScalePoint, conclusion, node_counts
from simdl.errors import SimdlError
from simdl.report.certainty import kind_of, knowledge_of, step_interval
from simdl.software.stack import Stack

MEASURES = ("step_time", "samples_per_s", "efficiency", "gain")
RANGE = re.compile(r"(?P<node>[^:]+):(?P<first>[0-9]{1,30})\.\.(?P<last>[0-9]{1,30})")


def cluster_names(text: str) -> list[str]:
    """``NODE:COUNT`` for each count of a range ``NODE:FIRST..LAST``.

    Raises:
        SimdlError: another form, or an empty range.
    """
    found = RANGE.fullmatch(text)
    if found is None:
        raise SimdlError(f"cluster: found {text!r}; expected NODE:FIRST..LAST such as dgx-a100:1..64")
    counts = node_counts(int(found["first"]), int(found["last"]))
    return [f"{found['node']}:{count}" for count in counts]


def changed_stack(stack: Stack, *, bucket: str | None, algorithm: str | None) -> Stack:
    """The stack with gradients in other collectives: of so many bytes, by this algorithm; None for its own.

    Raises:
        UnitError: the bucket is no size.
    """
    if bucket is not None:
        stack = replace(stack, bucket=option_quantity("--bucket", bucket, "bytes"))
    return stack if algorithm is None else replace(stack, gradient_algorithm=algorithm)


def scaling_json(question: Question, curve: ScaleCurve, model: str) -> dict[str, Any]:
    """The answer of `simdl scale` by key, in base units."""
    setting = {key: value for key, value in setting_json(question).items() if key != "devices"}
    return {
        "model": model,
        **setting,
        **curve_json(curve),
        "assumptions": list(question.assumptions),
        "headline": scaling_sentence(question, curve, model),
    }


def scaling_sentence(question: Question, curve: ScaleCurve, model: str) -> str:
    """What to run: the most devices that pay, how fast and at what cost, what limits it, and what ends it."""
    ended = conclusion(curve)
    if not any(point.answers for point in curve.points):
        return f"{ended[0].upper()}{ended[1:]}."
    ran = [point for point in curve.points if point.ran]
    last = _largest_that_pays(curve) or ran[-1]
    network = question.workload.network
    knowledge = knowledge_of(question.stack, question.cluster.device)
    interval = step_interval(
        last.step_time,
        last.breakdown,
        knowledge,
        kind=kind_of(network),
        kernels=last.kernels,
        drift=drift_of(question.cluster),
    )
    sure = interval_text(interval)
    cause = max(last.breakdown, key=lambda each: last.breakdown[each])
    share = last.breakdown[cause] / last.step_time
    return (
        f"Run {model} with data parallelism (dp) {last.devices} on as many devices: a step of "
        f"{last.global_batch:,} {network.sample}s takes {format_seconds(last.step_time)}, {sure}, costs "
        f"{device_hours(network, devices=last.devices, samples_per_s=last.samples_per_s)} at "
        f"{last.efficiency:.0%} of the efficiency of {ran[0].devices} devices, and is spent most on "
        f"{cause.replace('_', ' ')} ({share:.0%} of it); {ended}."
    )


def _largest_that_pays(curve: ScaleCurve) -> ScalePoint | None:
    """The last point that can run before growing stops to pay, or the first that can; None if none can."""
    fitting = [point for point in curve.points if point.ran and not point.reason]
    paying = [point for point in fitting if curve.stops_at is None or point.devices < curve.stops_at]
    return paying[-1] if paying else next(iter(fitting), None)


def curve_json(curve: ScaleCurve) -> dict[str, Any]:
    """A curve by key, in base units."""
    return {
        "mode": curve.mode,
        "points": [_point_json(point) for point in curve.points],
        "stops_at": curve.stops_at,
        "stopped_by": curve.stopped_by,
        "conclusion": conclusion(curve),
    }


def _point_json(point: ScalePoint) -> dict[str, Any]:
    """A point by key; None for what a point that cannot run has not."""
    found = asdict(point)
    return found if point.ran else found | dict.fromkeys(MEASURES)
