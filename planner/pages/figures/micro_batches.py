"""Micro-batches of convolutions: time against workspace, undivided and as chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from planner.pages.figures.palette import BLUE, GREY, ORANGE
from planner.pages.figures.style import add_limit, axis, new_figure
from planner.pages.figures.units import Scale, scale

EDGE = 0.03
"""Of the axis, before 0 and behind the limit: markers stand there, clear of the names of ticks."""
NAME = 0.15  # of the largest workspace: room for the name of the limit on a narrow page


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """One pass of one layer: seconds and bytes of workspace as chosen, and undivided where that fits."""

    label: str
    time: float
    workspace: float
    undivided_time: float | None
    undivided_workspace: float | None


def workspace_figure(divisions: Sequence[Division], limit: float) -> go.Figure:
    """A line per pass from the undivided convolution to the chosen division; the limit [bytes] dashed."""
    figure = new_figure(height=520)
    pairs = [d for d in divisions if d.undivided_time is not None]
    seconds = [*(d.time for d in divisions), *(d.undivided_time for d in pairs)]
    units = (
        scale("B", [limit, *(d.workspace for d in divisions), *(d.undivided_workspace for d in pairs)]),
        scale("s", seconds, log=True),
    )
    figure.add_scatter(
        mode="lines",
        name="from undivided to chosen",
        x=units[0].of(x for d in pairs for x in (d.undivided_workspace, d.workspace, None)),
        y=units[1].of(y for d in pairs for y in (d.undivided_time, d.time, None)),
        line={"color": GREY, "width": 1},
        showlegend=False,
        hoverinfo="skip",
    )
    _add_points(
        figure,
        "undivided",
        ORANGE,
        "circle-open",
        points=[(d.label, d.undivided_workspace, d.undivided_time) for d in pairs],
        units=units,
    )
    chosen = [(d.label, d.workspace, d.time) for d in divisions]
    _add_points(figure, "chosen", BLUE, "diamond", points=chosen, units=units)
    add_limit(figure, "limit", x=limit / units[0].size)
    most = max(limit, *(d.workspace for d in divisions)) / units[0].size
    figure.update_xaxes(axis("workspace", units[0].unit), range=[-EDGE * most, (1 + NAME) * most])
    figure.update_yaxes(axis("time of the pass", units[1].unit, log=True, values=seconds))
    return figure


def _add_points(
    figure: go.Figure,
    name: str,
    colour: str,
    symbol: str,
    *,
    points: Sequence[tuple[str, float | None, float | None]],
    units: tuple[Scale, Scale],
) -> None:
    figure.add_scatter(
        mode="markers",
        name=name,
        x=units[0].of(workspace for _, workspace, _ in points),
        y=units[1].of(seconds for _, _, seconds in points),
        text=[label for label, _, _ in points],
        marker={"color": colour, "symbol": symbol, "size": 9},
        cliponaxis=False,
        hovertemplate=f"%{{text}}<br>{units[0].shown('x')}, {units[1].shown('y')}<extra></extra>",
    )
