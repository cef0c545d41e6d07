"""Text and JSON forms of per-layer splits."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Any

from planner.search.plan import PlanResult
from simdl.splits.arrangement import resolve
from simdl.splits.registry import format_choice
from simdl.step.strategy import Strategy, arrangement_of
from workloads.network import Network


def layer_plan_json(result: PlanResult) -> dict[str, Any] | None:
    """The best per-layer plan by key in base units, or the reason why there is none; None for sequences."""
    found = result.layers
    if found is None:
        return {"reasons": [result.layers_reason]} if result.layers_reason else None
    return {
        "splits": dict(found.splits),
        "layers": [asdict(layer) for layer in found.layers],
        "step_time": found.best.step_time,
        "estimate": found.estimate,
        "samples_per_s": found.best.samples_per_s,
        "breakdown": dict(found.best.breakdown),
        "peak_memory": found.best.peak_memory,
        "memory": dict(found.best.memory),
        "optimal": found.optimal,
        "data_parallel": found.data_parallel,
        "wall_time": found.wall_time,
    }


def split_lines(strategy: Strategy, network: Network) -> Iterator[str]:
    """How the layers of a strategy are split, those in a row together; nothing where none is."""
    if strategy.split_degree == 1:
        return
    found = resolve(network, arrangement_of(strategy))
    splits = {
        node.name: format_choice(choice)
        for node, choice in zip(found.graph.nodes, found.choices, strict=True)
    }
    for split, names in groupby(splits, key=splits.__getitem__):
        layers = list(names)
        span = layers[0] if len(layers) == 1 else f"{layers[0]} to {layers[-1]}"
        yield f"layers: {split}: {span}"
