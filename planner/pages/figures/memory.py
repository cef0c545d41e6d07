"""The front of step time against memory, with the plans of the literature."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from planner.pages.figures.style import BLUE, ORANGE, axis, new_figure


def front_figure(points: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Step time over memory: the fastest plan at each limit, and what the literature does."""
    figure = new_figure(height=460)
    others = {
        (plan["peak_memory"], plan["step_time"]): plan["method"]
        for point in points
        for plan in point["literature"]
    }
    figure.add_scatter(
        mode="lines+markers",
        name="fastest plan",
        x=[point["peak_memory"] / 1e9 for point in points],
        y=[point["step_time"] for point in points],
        line={"color": BLUE},
        marker={"size": 8},
    )
    figure.add_scatter(
        mode="markers",
        name="literature",
        x=[nbytes / 1e9 for nbytes, _ in others],
        y=[seconds for _, seconds in others],
        text=list(others.values()),
        marker={"size": 8, "color": ORANGE, "symbol": "square"},
    )
    figure.update_xaxes(axis("memory of a device", "GB"))
    figure.update_yaxes(axis("step", "s"))
    return figure
