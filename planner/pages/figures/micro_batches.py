"""Micro-batches of convolutions: time against workspace, undivided and as chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from planner.pages.figures.style import BLUE, GREY, ORANGE, add_limit, axis, new_figure


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
    figure.add_scatter(
        mode="lines",
        x=[x for d in pairs for x in (d.undivided_workspace, d.workspace, None)],
        y=[y for d in pairs for y in (d.undivided_time, d.time, None)],
        line={"color": GREY, "width": 1},
        showlegend=False,
        hoverinfo="skip",
    )
    _add_points(
        figure,
        "undivided",
        ORANGE,
        "circle-open",
        [(d.label, d.undivided_workspace, d.undivided_time) for d in pairs],
    )
    _add_points(figure, "chosen", BLUE, "diamond", [(d.label, d.workspace, d.time) for d in divisions])
    add_limit(figure, "limit", x=limit)
    figure.update_xaxes(axis("workspace", "B"), rangemode="tozero")
    figure.update_yaxes(axis("time of the pass", "s", log=True))
    return figure


def _add_points(
    figure: go.Figure,
    name: str,
    colour: str,
    symbol: str,
    points: Sequence[tuple[str, float | None, float | None]],
) -> None:
    figure.add_scatter(
        mode="markers",
        name=name,
        x=[workspace for _, workspace, _ in points],
        y=[seconds for _, _, seconds in points],
        text=[label for label, _, _ in points],
        marker={"color": colour, "symbol": symbol, "size": 9},
        hovertemplate="%{text}<br>%{x:.4s}B, %{y:.4s}s<extra></extra>",
    )
