"""Collectives by message size: time and bus bandwidth of each algorithm; communication of a step."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from planner.figures.style import SERIES, axis, new_figure

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "triangle-down", "star")


def collective_time_figure(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Time over message size, by algorithm; rows are those of the command's JSON."""
    return _by_size(rows, "time", axis("time", "s", log=True))


def bus_bandwidth_figure(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Bus bandwidth over message size, by algorithm."""
    return _by_size(rows, "bus_bandwidth", axis("bus bandwidth", "B/s"))


def _by_size(rows: Sequence[Mapping[str, Any]], key: str, vertical: Mapping[str, Any]) -> go.Figure:
    figure = new_figure(height=420)
    for place, algorithm in enumerate(dict.fromkeys(row["algorithm"] for row in rows)):
        drawn = [row for row in rows if row["algorithm"] == algorithm]
        figure.add_scatter(
            mode="lines+markers",
            name=algorithm,
            x=[row["size"] for row in drawn],
            y=[row[key] for row in drawn],
            line={"color": SERIES[place % len(SERIES)]},
            marker={"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 7},
        )
    figure.update_xaxes(axis("message size", "B", log=True))
    figure.update_yaxes(vertical)
    return figure
