"""Text and JSON forms of per-layer plans."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Any

from hardware.units import format_quantity
from planner.errors import InfeasibleError, SolverError
from planner.format import format_rate, format_seconds
from planner.layerwise import LayerPlan, plan_layers
from planner.question import Question
from simdl.errors import SimdlError

LayerAnswer = tuple[LayerPlan | None, str]
"""A per-layer plan, or why there is none."""


def answer_layers(question: Question) -> LayerAnswer:
    """The per-layer plan of a convolutional network, or why there is none (empty for sequences)."""
    if question.workload.network.sample != "image":
        return None, ""
    try:
        return plan_layers(question.workload, question.cluster, stack=question.stack), ""
    except (InfeasibleError, SolverError) as error:
        return None, str(error)
    except SimdlError as error:
        return None, f"no per-layer plan: {error}"


def layer_plan_json(found: LayerPlan | None, reason: str) -> dict[str, Any] | None:
    """A per-layer plan by key in base units, or the reason why there is none; None for sequences."""
    if found is None:
        return {"reasons": [reason]} if reason else None
    return {
        "splits": dict(found.splits),
        "layers": [asdict(layer) for layer in found.layers],
        "step_time": found.step_time,
        "estimate": found.estimate,
        "samples_per_s": found.samples_per_s,
        "breakdown": dict(found.breakdown),
        "peak_memory": sum(found.memory.values()),
        "memory": dict(found.memory),
        "optimal": found.optimal,
        "data_parallel": found.data_parallel,
        "wall_time": found.wall_time,
    }


def layer_plan_lines(found: LayerPlan | None, reason: str) -> Iterator[str]:
    """What the table of plans says about splitting layers one by one."""
    if found is None:
        if reason:
            yield f"per layer: {reason}"
        return
    rate = f"{format_seconds(found.step_time)}, {format_rate(found.samples_per_s)} images/s"
    proof = "proven best choice" if found.optimal else "best choice found"
    yield (
        f"per layer: {rate}, {format_quantity(sum(found.memory.values()), 'bytes')}; {proof}"
        f"{_against(found)} ({found.wall_time:.1f} s)"
    )
    for split, names in groupby(found.splits, key=lambda name: found.splits[name]):
        layers = list(names)
        span = layers[0] if len(layers) == 1 else f"{layers[0]} to {layers[-1]}"
        yield f"per layer: {split}: {span}"


def _against(found: LayerPlan) -> str:
    if found.data_parallel is None:
        return "; plain data parallelism cannot run"
    if found.data_parallel <= found.step_time:
        return "; that is plain data parallelism"
    return f"; {found.data_parallel / found.step_time - 1:.1%} faster than plain data parallelism"
