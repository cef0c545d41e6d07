"""Goodput over the interval between checkpoints, and where the rest of the time goes."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from planner.pages.figures.style import BLUE, GREY, ORANGE, PURPLE, VERMILION, axis, new_figure

LOSSES = {"checkpoints": ORANGE, "lost": VERMILION, "restarts": PURPLE, "waiting": GREY}
NAMED = {"young": "Young", "daly": "Daly"}


def goodput_figure(
    curve: Sequence[Mapping[str, Any]], intervals: Mapping[str, Mapping[str, Any]]
) -> go.Figure:
    """Goodput by interval, with Young's and Daly's marked."""
    figure = new_figure(height=420)
    figure.add_scatter(
        mode="lines+markers",
        name="simulated",
        x=[each["interval"] for each in curve],
        y=[each["goodput"] for each in curve],
        line={"color": BLUE},
    )
    marked = {label: intervals[name] for name, label in NAMED.items() if name in intervals}
    for (label, each), symbol in zip(marked.items(), ("diamond", "square"), strict=False):
        figure.add_scatter(
            mode="markers",
            name=label,
            x=[each["interval"]],
            y=[each["goodput"]],
            marker={"size": 12, "symbol": symbol, "color": ORANGE},
        )
    figure.update_xaxes(axis("training between checkpoints", "s", log=True))
    figure.update_yaxes(title={"text": "goodput [1]"})
    return figure


def loss_figure(curve: Sequence[Mapping[str, Any]]) -> go.Figure:
    """What the time that is not training kept goes to, by interval."""
    figure = new_figure(height=360)
    for name, colour in LOSSES.items():
        figure.add_scatter(
            mode="lines",
            name=name,
            stackgroup="losses",
            x=[each["interval"] for each in curve],
            y=[each[name] for each in curve],
            line={"color": colour},
        )
    figure.update_xaxes(axis("training between checkpoints", "s", log=True))
    figure.update_yaxes(title={"text": "share of the time [1]"})
    return figure
