"""What all figures share: axes with units, layout, lines at limits."""

from collections import Counter
from collections.abc import Iterable
from math import floor
from typing import Any

import plotly.graph_objects as go

from planner.pages.figures.palette import ROLES, SERIES
from planner.pages.figures.units import PLAIN

MANY = 100  # largest over least, from which whole decades suffice
SOME = 10  # the same, from which 1, 2 and 5 of every decade suffice
LOG_TICKS = 5  # about as many; more would print over each other within a decade
SINGLY = 10  # of the fullest bin, up to which a histogram has a tick for every number
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
        values: that a logarithmic axis shows; over several decades only whole ones are named, over one or
            two 1, 2 and 5 of each, so that names do not meet on a narrow screen.
    """
    kind: dict[str, Any] = {"type": "log", "nticks": LOG_TICKS} if log else {}
    known = [value for value in values if value]
    if log and known and max(known) >= MANY * min(known):
        kind["dtick"] = 1
    elif log and known and max(known) >= SOME * min(known):
        kind["dtick"] = "D2"
    return {"title": {"text": f"{quantity} [{unit}]"}, **kind}


def count_axis(what: str, values: Iterable[float], width: float) -> dict[str, Any]:
    """The axis of a histogram with bins of this width: no tick stands between two whole numbers."""
    fullest = max(Counter(floor(value / width) for value in values).values(), default=0)
    return {"title": {"text": f"{what} [count]"}, "dtick": 1 if fullest <= SINGLY else None}


def add_limit(figure: go.Figure, name: str, *, x: float | None = None, y: float | None = None) -> None:
    """A dashed line with a name where ``x`` or ``y`` ends, above all bars and areas, edged in white."""
    across: dict[str, Any] = {"x0": x, "x1": x, "y0": 0, "y1": 1, "xref": "x", "yref": "y domain"}
    along: dict[str, Any] = {"x0": 0, "x1": 1, "y0": y, "y1": y, "xref": "x domain", "yref": "y"}
    told: dict[str, Any] = {"text": name, "showarrow": False, "bgcolor": "white", "opacity": 0.9}
    places = [across] if x is not None else []
    places += [along] if y is not None else []
    for place in places:
        wide, thin = {"color": "white", "width": 4}, {"color": ROLES["limit"], "width": 2, "dash": "dash"}
        figure.layout.shapes += tuple(
            {"type": "line", "layer": "above", "line": line, **place} for line in (wide, thin)
        )
        upright = place is across
        at = {"x": place["x1"], "xanchor": "left" if upright else "right", "xref": place["xref"]}
        at |= {"y": place["y1"], "yanchor": "top" if upright else "bottom", "yref": place["yref"]}
        figure.layout.annotations += ({**told, "borderpad": 1, **at},)


def words(name: str) -> str:
    """A key as words."""
    return name.replace("_", " ")
