"""Collectives by message size: time and bus bandwidth of each algorithm; communication of a step."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from hardware.units import format_quantity
from planner.console.format import format_rate
from planner.pages.figures.palette import BLACK, OTHER, TASKS, series_colours
from planner.pages.figures.style import axis, new_figure, words
from planner.pages.figures.units import scale, size_axis
from simdl.report.communication import MessageUse

BAR = 40  # [px] of height per bar
FRAME = 150  # [px] of height around them
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "triangle-down", "star")


def collective_time_figure(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Time over message size, by algorithm; rows are those of the command's JSON."""
    return _by_size(rows, "time", "s", log=True)


def bus_bandwidth_figure(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Bus bandwidth over message size, by algorithm."""
    return _by_size(rows, "bus_bandwidth", "B/s", log=False)


def message_figure(uses: Sequence[MessageUse]) -> go.Figure:
    """Seconds of a step by collective, stacked by what the messages are for."""
    collectives = list(dict.fromkeys(words(use.collective) for use in uses))
    sums = [sum(use.seconds for use in uses if words(use.collective) == name) for name in collectives]
    time = scale("s", sums)
    figure = new_figure(height=FRAME + BAR * len(collectives), barmode="stack")
    for purpose in dict.fromkeys(use.purpose for use in uses):
        drawn = [use for use in uses if use.purpose == purpose]
        colour, pattern = TASKS.get(purpose, OTHER)
        figure.add_bar(
            orientation="h",
            name=purpose,
            y=[words(use.collective) for use in drawn],
            x=time.of(use.seconds for use in drawn),
            text=[
                f"{format_rate(use.count)} messages, {format_quantity(use.nbytes, 'bytes')}" for use in drawn
            ],
            textposition="none",
            marker={"color": colour, "pattern": {"shape": pattern}},
            hovertemplate=f"{purpose}: {time.shown('x')}<br>%{{text}}<extra>%{{y}}</extra>",
        )
    figure.update_xaxes(axis("time under way", time.unit))
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=collectives, autorange="reversed"
    )
    return figure


def _by_size(rows: Sequence[Mapping[str, Any]], key: str, unit: str, *, log: bool) -> go.Figure:
    """A line per algorithm over message size, broken where it was not asked about.

    What the library takes by itself is ringed.
    """
    sizes = sorted({row["size"] for row in rows})
    figure = new_figure(height=420)
    amounts = scale(unit, [row[key] for row in rows], log=log)
    colours = series_colours(row["algorithm"] for row in rows)
    for place, (algorithm, colour) in enumerate(colours.items()):
        found = {row["size"]: row[key] for row in rows if row["algorithm"] == algorithm}
        figure.add_scatter(
            mode="lines+markers",
            name=words(algorithm),
            x=sizes,
            y=amounts.of(found.get(size) for size in sizes),
            text=[format_quantity(size, "bytes") for size in sizes],
            line={"color": colour},
            marker={"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 7},
            hovertemplate=f"%{{text}}: {amounts.shown('y')}<extra>{words(algorithm)}</extra>",
        )
    chosen = [row for row in rows if row.get("chosen")]
    if chosen:
        figure.add_scatter(
            mode="markers",
            name="the library's choice",
            x=[row["size"] for row in chosen],
            y=amounts.of(row[key] for row in chosen),
            marker={"symbol": "circle-open", "size": 15, "color": BLACK, "line": {"width": 2}},
            hoverinfo="skip",
        )
    figure.update_xaxes(size_axis("message size", [row["size"] for row in rows]))
    figure.update_yaxes(axis(words(key), amounts.unit, log=log, values=[row[key] for row in rows]))
    return figure
