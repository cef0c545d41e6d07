"""The space of a plan: bounds against memory with their Pareto front, and all candidates side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from planner.bounds import Bounds
from planner.figures.style import BLUE, ORANGE, SEQUENTIAL, VERMILION, axis, new_figure
from planner.space import RECOMPUTE, SCHEDULES, Integers, Space

POINTS = 4000  # candidates that a figure shows at most
LINES = 1000  # and that parallel coordinates show, which take the browser longer
DEGREES = ("dp", "tp", "pp", "cp", "micro_batch", "virtual_stages")
CHOICES = {"schedule": SCHEDULES, "recompute": tuple(mode.value for mode in RECOMPUTE)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One simulated plan: its text, [s] of its step and [bytes] at its peak."""

    label: str
    step_time: float
    memory: float


def sample_candidates(bounds: Bounds, fits: Integers, *, points: int = POINTS) -> Integers:
    """Candidates to show: all that fit, or as many as allowed, evenly spaced in the order of their bounds."""
    order = fits[np.argsort(bounds.step_time[fits], kind="stable")]
    if len(order) <= points:
        return order
    return order[np.linspace(0, len(order) - 1, points).round().astype(np.int64)]


def pareto_front(step_time: Sequence[float], memory: Sequence[float]) -> list[int]:
    """Indices that no other beats on both: rising memory, falling step time.

    Example:
        >>> pareto_front([3.0, 1.0, 2.0], [1.0, 3.0, 4.0])
        [0, 1]
    """
    front: list[int] = []
    for index in sorted(range(len(memory)), key=lambda i: (memory[i], step_time[i])):
        if not front or step_time[index] < step_time[front[-1]]:
            front.append(index)
    return front


def pareto_figure(bounds: Bounds, shown: Integers, fits: Integers, plans: Sequence[Point]) -> go.Figure:
    """Least step time against peak memory: candidates, their Pareto front, and the simulated plans."""
    figure = new_figure(height=460)
    seconds, nbytes = bounds.step_time[shown].tolist(), bounds.memory[shown].tolist()
    figure.add_scatter(
        mode="markers",
        name="candidates (bound)",
        x=nbytes,
        y=seconds,
        marker={"size": 4, "color": BLUE, "opacity": 0.35},
        hovertemplate="%{x:.4s}B, at least %{y:.4g} s<extra>candidate</extra>",
    )
    time, memory = bounds.step_time[fits].tolist(), bounds.memory[fits].tolist()
    front = pareto_front(time, memory)
    figure.add_scatter(
        mode="lines",
        name="Pareto front of the bounds",
        x=[memory[index] for index in front],
        y=[time[index] for index in front],
        line={"shape": "hv", "color": VERMILION, "width": 2},
    )
    figure.add_scatter(
        mode="markers",
        name="simulated plans",
        x=[plan.memory for plan in plans],
        y=[plan.step_time for plan in plans],
        text=[plan.label for plan in plans],
        marker={"size": 11, "color": ORANGE, "symbol": "diamond", "line": {"color": "black", "width": 1}},
        hovertemplate="%{text}<br>%{x:.4s}B, %{y:.6g} s<extra></extra>",
    )
    figure.update_xaxes(axis("peak memory of a device", "B"))
    figure.update_yaxes(axis("step time", "s", log=True))
    return figure


def coordinates_figure(space: Space, bounds: Bounds, shown: Integers) -> go.Figure:
    """Parallel coordinates: one line per candidate through all its choices, coloured by its bound."""
    seconds = bounds.step_time[shown]
    dimensions = [_degree(name, space, shown) for name in DEGREES]
    dimensions += [_choice(name, space, shown) for name in CHOICES]
    dimensions += [
        {"label": "ZeRO", "values": space.zero[shown].tolist(), "tickvals": [0, 1, 2, 3]},
        {"label": "SP", "values": space.sequence_parallel[shown].tolist(), "tickvals": [0, 1]},
        {"label": "memory [B]", "values": bounds.memory[shown].tolist(), "tickformat": "~s"},
        {"label": "bound [s]", "values": seconds.tolist(), "tickformat": "~s"},
    ]
    figure = new_figure(height=460)
    low, high = np.log10([seconds.min(), seconds.max()]) if len(seconds) else (0.0, 1.0)
    ticks = np.linspace(low, high, 5).tolist()
    figure.add_parcoords(
        dimensions=dimensions,
        line={
            "color": np.log10(seconds).tolist(),
            "colorscale": SEQUENTIAL,
            "reversescale": True,
            "showscale": True,
            "colorbar": {
                "title": {"text": "bound [s]"},
                "tickvals": ticks,
                "ticktext": [f"{10**tick:.3g}" for tick in ticks],
            },
        },
    )
    figure.update_layout(margin={"l": 60, "r": 30, "t": 60, "b": 30})
    return figure


def _degree(name: str, space: Space, shown: Integers) -> dict[str, object]:
    """A degree on a scale of powers of two."""
    values = getattr(space, name)[shown]
    kept = sorted(set(values.tolist()))
    ticks = [value for value in kept if value & (value - 1) == 0] or kept
    label = {"micro_batch": "micro-batch", "virtual_stages": "virtual"}.get(name, name)
    return {
        "label": label,
        "values": np.log2(values).tolist(),
        "tickvals": np.log2(ticks).tolist(),
        "ticktext": [str(tick) for tick in ticks],
    }


def _choice(name: str, space: Space, shown: Integers) -> dict[str, object]:
    texts = CHOICES[name]
    values = getattr(space, name)[shown].tolist()
    return {
        "label": name,
        "values": values,
        "range": [0, len(texts) - 1],
        "tickvals": list(range(len(texts))),
        "ticktext": list(texts),
    }
