"""What all figures share: axes with units, layout, lines at limits."""

from collections.abc import Iterable
from typing import Any

import plotly.graph_objects as go

from planner.pages.figures.palette import ROLES, SERIES
from planner.pages.figures.units import PLAIN

MANY = 100  # largest over least, from which whole decades suffice
LOG_TICKS = 5  # about as many; more would print over each other within a decade
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


_LINES = {"gridcolor": "#E5E9F0", "linecolor": "#E5E9F0", "zerolinecolor": "#E5E9F0", "zerolinewidth": 2}
_AXIS = {"automargin": True, "title": {"standoff": 8}, "ticks": "", "tickformat": PLAIN, **_LINES}
_PATTERN = {"fillmode": "overlay", "size": 10, "solidity": 0.2}
TEMPLATE = go.layout.Template(
    layout={
        "autotypenumbers": "strict",
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "colorway": SERIES,
        "font": {"family": FONT, "size": 13, "color": "#2A3F5F"},
        "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
        "legend": {
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.01,
            "xanchor": "left",
            "x": 0,
            "traceorder": "normal",
        },
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "namelength": -1},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    },
    data={
        "bar": [{"marker": {"line": {"color": "white", "width": 0.5}, "pattern": _PATTERN}}],
        "scatter": [{"fillpattern": _PATTERN}],
        "parcoords": [{"line": {"colorbar": {"outlinewidth": 0, "ticks": ""}}}],
    },
)
"""The common layout. It stands in every figure of a page, so it holds nothing that none of them has."""


def new_figure(*, height: int, **layout: Any) -> go.Figure:  # noqa: ANN401 - plotly's layout
    """An empty figure in the common layout; ``height`` [px]."""
    return go.Figure(layout={"template": TEMPLATE, "height": height, **layout})


def axis(
    quantity: str, unit: str, *, log: bool = False, values: Iterable[float | None] = ()
) -> dict[str, Any]:
    """An axis of an amount in this unit, such as ``peak memory [GiB]``.

    Args:
        quantity: what is shown.
        unit: of the values.
        log: logarithmic.
        values: that a logarithmic axis shows; over many decades only whole ones are named, so that names do
            not meet on a narrow screen.
    """
    kind: dict[str, Any] = {"type": "log", "nticks": LOG_TICKS} if log else {}
    known = [value for value in values if value]
    if log and known and max(known) >= MANY * min(known):
        kind["dtick"] = 1
    return {"title": {"text": f"{quantity} [{unit}]"}, **kind}


def add_limit(figure: go.Figure, name: str, *, x: float | None = None, y: float | None = None) -> None:
    """A dashed line with a name where ``x`` or ``y`` ends, above all bars and areas, edged in white."""
    told = {"text": name, "bgcolor": "white", "opacity": 0.9, "borderpad": 1}
    for line, extra in (
        ({"color": "white", "width": 4}, {}),
        ({"color": ROLES["limit"], "width": 2, "dash": "dash"}, {"annotation": told}),
    ):
        if x is not None:
            figure.add_vline(x=x, line=line, layer="above", **extra)
        if y is not None:
            figure.add_hline(y=y, line=line, layer="above", **extra)


def words(name: str) -> str:
    """A key as words."""
    return name.replace("_", " ")
