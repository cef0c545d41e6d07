"""Scaling curves: throughput by number of devices with the ideal line, and the efficiency."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from planner.pages.figures.palette import ROLES
from planner.pages.figures.style import axis, new_figure


def throughput_figure(points: Sequence[Mapping[str, Any]], sample: str) -> go.Figure:
    """Throughput over devices on logarithmic axes; ideal is the first point's, device for device."""
    figure = new_figure(height=460)
    ran = [point for point in points if point["step_time"]]
    devices = [point["devices"] for point in ran]
    each = ran[0]["samples_per_s"] / devices[0] if ran else 0.0
    figure.add_scatter(
        mode="lines",
        name="ideal",
        x=devices,
        y=[each * count for count in devices],
        line={"color": ROLES["ideal"], "dash": "dash"},
    )
    figure.add_scatter(
        mode="lines+markers",
        name="data parallel",
        x=[point["devices"] for point in ran if not point["reason"]],
        y=[point["samples_per_s"] for point in ran if not point["reason"]],
        line={"color": ROLES["fitting"]},
        marker={"size": 8},
    )
    if beyond := [point for point in ran if point["reason"]]:
        figure.add_scatter(
            mode="markers",
            name="does not fit in memory",
            x=[point["devices"] for point in beyond],
            y=[point["samples_per_s"] for point in beyond],
            marker={"color": ROLES["ideal"], "size": 9, "symbol": "x-thin-open", "line": {"width": 2}},
        )
    split = [point for point in ran if point["split_layers"] is not None]
    if split:
        figure.add_scatter(
            mode="lines+markers",
            name="layers split",
            x=[point["devices"] for point in split],
            y=[point["split_layers"] for point in split],
            line={"color": ROLES["sizes"]},
            marker={"size": 8, "symbol": "square"},
        )
    figure.update_xaxes(
        type="log",
        title={"text": "devices [count]"},
        tickvals=devices,
        ticktext=[f"{count:,}" for count in devices],
    )
    rates = [value for trace in figure.data for value in trace.y]
    figure.update_yaxes(axis("throughput", f"{sample}s/s", log=True, values=rates))
    return figure


def efficiency_figure(points: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Share of the ideal throughput over the devices on which a step fits."""
    figure = new_figure(height=360)
    ran = [point for point in points if point["step_time"] and not point["reason"]]
    devices = [point["devices"] for point in ran]
    figure.add_scatter(
        mode="lines+markers",
        name="efficiency",
        x=devices,
        y=[100 * point["efficiency"] for point in ran],
        line={"color": ROLES["best"]},
        marker={"size": 8},
    )
    figure.update_xaxes(
        type="log",
        title={"text": "devices [count]"},
        tickvals=devices,
        ticktext=[f"{count:,}" for count in devices],
    )
    figure.update_yaxes(title={"text": "share of ideal throughput [%]"}, rangemode="tozero")
    return figure
