"""Step time against devices: what every further device brings, and at which counts it is worth having."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from planner.pages.figures.space import Point
from planner.pages.figures.style import BLACK, ORANGE, SEQUENTIAL, VERMILION, axis, new_figure
from planner.search.pareto import pareto_front


def devices_figure(clusters: Sequence[Mapping[str, Any]], plans: Sequence[tuple[int, Point]]) -> go.Figure:
    """Least step time by number of devices, coloured by memory, with the front, the ideal line and the plans.

    Args:
        clusters: ``devices``, ``bound`` [s], ``memory`` [bytes] and ``strategy`` of each, as in the JSON.
        plans: simulated plans with their devices.
    """
    figure = new_figure(height=460)
    devices = [cluster["devices"] for cluster in clusters]
    bounds = [cluster["bound"] for cluster in clusters]
    _add_lines(figure, devices, bounds)
    figure.add_scatter(
        mode="markers",
        name="best strategy that fits (bound)",
        x=devices,
        y=bounds,
        text=[cluster["strategy"] for cluster in clusters],
        marker={
            "size": 11,
            "color": [cluster["memory"] for cluster in clusters],
            "colorscale": SEQUENTIAL,
            "showscale": True,
            "colorbar": {"title": {"text": "memory [B]"}, "tickformat": "~s"},
            "line": {"width": 1, "color": BLACK},
        },
        hovertemplate="%{text}<br>%{x} devices, at least %{y:.6g} s, %{marker.color:.4s}B<extra></extra>",
    )
    figure.add_scatter(
        mode="markers",
        name="simulated plans",
        x=[count for count, _ in plans],
        y=[plan.step_time for _, plan in plans],
        text=[plan.label for _, plan in plans],
        marker={"size": 11, "color": ORANGE, "symbol": "diamond", "line": {"color": BLACK, "width": 1}},
        hovertemplate="%{text}<br>%{x} devices, %{y:.6g} s<extra></extra>",
    )
    figure.update_xaxes(
        type="log", title={"text": "devices [count]"}, tickvals=devices, ticktext=[f"{d:,}" for d in devices]
    )
    figure.update_yaxes(axis("step time", "s", log=True))
    return figure


def _add_lines(figure: go.Figure, devices: Sequence[int], bounds: Sequence[float]) -> None:
    front = pareto_front(bounds, devices)
    figure.add_scatter(
        mode="lines",
        name="Pareto front",
        x=[devices[index] for index in front],
        y=[bounds[index] for index in front],
        line={"shape": "hv", "color": VERMILION, "width": 2},
        hoverinfo="skip",
    )
    each = devices[0] * bounds[0]
    figure.add_scatter(
        mode="lines",
        name="ideal",
        x=[devices[0], devices[-1]],
        y=[each / devices[0], each / devices[-1]],
        line={"color": BLACK, "dash": "dash", "width": 1},
        hoverinfo="skip",
    )
