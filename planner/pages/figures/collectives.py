"""Collectives by message size: time and bus bandwidth of each algorithm; communication of a step."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from planner.pages.figures.style import OTHER, SERIES, TASKS, axis, new_figure, words
from simdl.report.communication import MessageUse

BAR = 40  # [px] of height per bar
FRAME = 150  # [px] of height around them
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "triangle-down", "star")


def collective_time_figure(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Time over message size, by algorithm; rows are those of the command's JSON."""
    return _by_size(rows, "time", axis("time", "s", log=True))


def bus_bandwidth_figure(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Bus bandwidth over message size, by algorithm."""
    return _by_size(rows, "bus_bandwidth", axis("bus bandwidth", "B/s"))


def message_figure(uses: Sequence[MessageUse]) -> go.Figure:
    """Seconds of a step by collective, stacked by what the messages are for."""
    collectives = list(dict.fromkeys(words(use.collective) for use in uses))
    figure = new_figure(height=FRAME + BAR * len(collectives), barmode="stack")
    for purpose in dict.fromkeys(use.purpose for use in uses):
        drawn = [use for use in uses if use.purpose == purpose]
        colour, pattern = TASKS.get(purpose, OTHER)
        figure.add_bar(
            orientation="h",
            name=purpose,
            y=[words(use.collective) for use in drawn],
            x=[use.seconds for use in drawn],
            text=[f"{use.count:,.4g} messages, {use.nbytes:.4g} B" for use in drawn],
            textposition="none",
            marker={"color": colour, "pattern": {"shape": pattern}},
            hovertemplate=f"{purpose}: %{{x:.6g}} s<br>%{{text}}<extra>%{{y}}</extra>",
        )
    figure.update_xaxes(axis("time under way", "s"))
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=collectives, autorange="reversed"
    )
    return figure


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
