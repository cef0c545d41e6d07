"""Step time against devices: what every further device brings, and at which counts it is worth having."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from hardware.units import format_quantity
from planner.money.pareto import pareto_front
from planner.pages.figures.palette import BLACK, ROLES
from planner.pages.figures.space import Point
from planner.pages.figures.style import axis, new_figure
from planner.pages.figures.units import Scale, scale


def devices_figure(clusters: Sequence[Mapping[str, Any]], plans: Sequence[tuple[int, Point]]) -> go.Figure:
    """Least step time by number of devices, with the front, the ideal line and the plans.

    Args:
        clusters: ``devices``, ``bound`` [s], ``memory`` [bytes] and ``strategy`` of each, as in the JSON.
        plans: simulated plans with their devices.
    """
    figure = new_figure(height=460)
    devices = [cluster["devices"] for cluster in clusters]
    bounds = [cluster["bound"] for cluster in clusters]
    time = scale("s", [*bounds, *(plan.step_time for _, plan in plans)], log=True)
    _add_lines(figure, devices, bounds, time)
    figure.add_scatter(
        mode="markers",
        name="best strategy that fits (bound)",
        x=devices,
        y=time.of(bounds),
        text=[f"{each['strategy']}, {format_quantity(each['memory'], 'bytes')}" for each in clusters],
        marker={"size": 11, "color": ROLES["fitting"], "line": {"width": 1, "color": BLACK}},
        hovertemplate=f"%{{text}}<br>%{{x}} devices, at least {time.shown('y')}<extra></extra>",
    )
    figure.add_scatter(
        mode="markers",
        name="simulated plans",
        x=[count for count, _ in plans],
        y=time.of(plan.step_time for _, plan in plans),
        text=[plan.label for _, plan in plans],
        marker={
            "size": 11,
            "color": ROLES["plans"],
            "symbol": "diamond",
            "line": {"color": BLACK, "width": 1},
        },
        hovertemplate=f"%{{text}}<br>%{{x}} devices, {time.shown('y')}<extra></extra>",
    )
    figure.update_xaxes(
        type="log", title={"text": "devices [count]"}, tickvals=devices, ticktext=[f"{d:,}" for d in devices]
    )
    figure.update_yaxes(axis("step time", time.unit, log=True))
    return figure


def _add_lines(figure: go.Figure, devices: Sequence[int], bounds: Sequence[float], time: Scale) -> None:
    front = pareto_front(bounds, devices)
    figure.add_scatter(
        mode="lines",
        name="Pareto front",
        x=[devices[index] for index in front],
        y=time.of(bounds[index] for index in front),
        line={"shape": "hv", "color": ROLES["front"], "width": 2},
        hoverinfo="skip",
    )
    each = devices[0] * bounds[0]
    figure.add_scatter(
        mode="lines",
        name="ideal",
        x=[devices[0], devices[-1]],
        y=time.of([each / devices[0], each / devices[-1]]),
        line={"color": ROLES["ideal"], "dash": "dash", "width": 1},
        hoverinfo="skip",
    )
