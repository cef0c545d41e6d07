"""Goodput over the interval between checkpoints, and where the rest of the time goes."""

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

import plotly.graph_objects as go

from planner.pages.figures.palette import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION
from planner.pages.figures.style import axis, new_figure
from planner.pages.figures.units import Scale, scale

LOSSES = {"checkpoints": ORANGE, "lost": VERMILION, "restarts": PURPLE, "waiting": GREY}
NAMED = {"young": "Young", "daly": "Daly"}


def goodput_figure(
    curve: Sequence[Mapping[str, Any]], intervals: Mapping[str, Mapping[str, Any]]
) -> go.Figure:
    """Goodput by interval, with Young's and Daly's marked."""
    figure = new_figure(height=420)
    time = _interval(curve)
    figure.add_scatter(
        mode="lines+markers",
        name="simulated",
        x=time.of(each["interval"] for each in curve),
        y=[100 * each["goodput"] for each in curve],
        line={"color": BLUE},
    )
    marked = {label: intervals[name] for name, label in NAMED.items() if name in intervals}
    looks = (("diamond-open", 20, GREEN), ("circle-open", 13, BLACK))
    for (label, each), (symbol, size, colour) in zip(marked.items(), looks, strict=False):
        figure.add_scatter(
            mode="markers",
            name=label,
            x=time.of([each["interval"]]),
            y=[100 * each["goodput"]],
            marker={"size": size, "symbol": symbol, "color": colour, "line": {"width": 2}},
        )
    _name_interval(figure, curve, time)
    figure.update_yaxes(title={"text": "goodput [%]"})
    return figure


def loss_figure(curve: Sequence[Mapping[str, Any]]) -> go.Figure:
    """What the time that is not training kept goes to, by interval."""
    figure = new_figure(height=360)
    time = _interval(curve)
    for name, colour in LOSSES.items():
        figure.add_scatter(
            mode="lines",
            name=name,
            stackgroup="losses",
            x=time.of(each["interval"] for each in curve),
            y=[100 * each[name] for each in curve],
            line={"color": colour},
            fillcolor=colour,
        )
    _name_interval(figure, curve, time)
    figure.update_yaxes(title={"text": "share of the time [%]"})
    return figure


def _interval(curve: Sequence[Mapping[str, Any]]) -> Scale:
    return scale("duration", [each["interval"] for each in curve], log=True)


def _name_interval(figure: go.Figure, curve: Sequence[Mapping[str, Any]], time: Scale) -> None:
    """The same axis for both figures, with room on either side."""
    ends = [log10(each["interval"] / time.size) for each in curve]
    room = [min(ends) - 0.1, max(ends) + 0.1]
    figure.update_xaxes(axis("training between checkpoints", time.unit, log=True), range=room)
