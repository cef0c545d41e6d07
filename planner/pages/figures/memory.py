"""The front of step time against memory, with the plans of the literature."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from planner.pages.figures.palette import BLUE, ORANGE
from planner.pages.figures.style import axis, new_figure
from planner.pages.figures.units import scale


def front_figure(points: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Step time over memory: the fastest plan at each limit, and what the literature does."""
    figure = new_figure(height=460)
    others = {
        (plan["peak_memory"], plan["step_time"]): plan["method"]
        for point in points
        for plan in point["literature"]
    }
    seconds = [*(point["step_time"] for point in points), *(seconds for _, seconds in others)]
    sizes = [*(point["peak_memory"] for point in points), *(nbytes for nbytes, _ in others)]
    time, memory = scale("s", seconds), scale("B", sizes)
    figure.add_scatter(
        mode="lines+markers",
        name="fastest plan",
        x=memory.of(point["peak_memory"] for point in points),
        y=time.of(point["step_time"] for point in points),
        line={"color": BLUE},
        marker={"size": 8},
    )
    figure.add_scatter(
        mode="markers",
        name="literature",
        x=memory.of(nbytes for nbytes, _ in others),
        y=time.of(seconds for _, seconds in others),
        text=list(others.values()),
        marker={"size": 8, "color": ORANGE, "symbol": "square"},
    )
    figure.update_xaxes(axis("memory of a device", memory.unit))
    figure.update_yaxes(axis("step time", time.unit))
    return figure
