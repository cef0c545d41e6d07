"""What all figures share: colours, axes with units, layout.

Colours are those of Okabe and Ito 2008, "Color Universal Design", readable with every common colour vision;
where there are more causes than colours, a pattern tells them apart. Amounts stay in base units; axes print
them with SI prefixes.
"""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY, LIGHT = "#7F7F7F", "#DDDDDD"
SERIES = (BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, BLACK, YELLOW)
"""Colours of series without a meaning of their own, in the order they are taken."""
SEQUENTIAL = "Cividis"  # its lightness rises evenly for every colour vision

CAUSES: Mapping[str, tuple[str, str]] = {
    "forward": (BLUE, ""),
    "backward": (SKY, ""),
    "recompute": (PURPLE, ""),
    "optimizer": (BLACK, ""),
    "host_transfer": (BLACK, "/"),
    "tensor_communication": (VERMILION, ""),
    "context_communication": (VERMILION, "/"),
    "expert_communication": (VERMILION, "x"),
    "pipeline_communication": (ORANGE, ""),
    "data_communication": (GREEN, ""),
    "resharding": (ORANGE, "/"),
    "contention": (GREEN, "x"),
    "compression": (GREEN, "."),
    "launch": (YELLOW, ""),
    "overhead": (GREY, ""),
    "input": (GREY, "/"),
    "bubble": (LIGHT, ""),
    "parameters": (BLUE, ""),
    "gradients": (SKY, ""),
    "activations": (ORANGE, ""),
    "transient": (VERMILION, ""),
    "gathered": (GREEN, ""),
    "context": (GREY, ""),
}
"""Colour and pattern by cause of time and by part of memory."""
KINDS: Mapping[str, tuple[str, str]] = {
    "matmul": (BLUE, ""),
    "convolution": (SKY, ""),
    "attention": (PURPLE, ""),
    "normalization": (YELLOW, ""),
    "elementwise": (ORANGE, ""),
    "softmax": (ORANGE, "/"),
    "reduction": (YELLOW, "/"),
    "pooling": (SKY, "/"),
    "gather": (BLUE, "/"),
    "optimizer": (BLACK, ""),
    "communication": (VERMILION, ""),
    "copy": (GREEN, ""),
    "other": (GREY, ""),
    "idle": (LIGHT, ""),
}
"""Colour and pattern by kind of kernel or category of a trace."""
TASKS: Mapping[str, tuple[str, str]] = {
    "forward": CAUSES["forward"],
    "backward": CAUSES["backward"],
    "optimizer": CAUSES["optimizer"],
    "tensor parallelism": CAUSES["tensor_communication"],
    "context parallelism": CAUSES["context_communication"],
    "send activation": CAUSES["pipeline_communication"],
    "send gradient": (ORANGE, "/"),
    "reduce gradients": CAUSES["data_communication"],
    "gather parameters": (GREEN, "/"),
    "reduce tied embedding": (GREEN, "."),
    "exchange for the update": (GREEN, "x"),
    "read samples": (GREY, "/"),
    "parse samples": (GREY, "x"),
    "decode samples": (GREY, "."),
    "augment samples": (GREY, "-"),
    "copy samples to the device": (GREY, "|"),
}
"""Colour and pattern by name of a task or purpose of a message: the colour is that of its cause."""
OTHER = (GREY, "")

LOG_TICKS = 5  # about as many; more would print over each other within a decade
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


_LINES = {"gridcolor": "#E5E9F0", "linecolor": "#E5E9F0", "zerolinecolor": "#E5E9F0", "zerolinewidth": 2}
_AXIS = {"automargin": True, "title": {"standoff": 8}, "ticks": "", **_LINES}
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


def axis(quantity: str, unit: str, *, log: bool = False) -> dict[str, Any]:
    """An axis of an amount in base units, such as ``peak memory [B]``."""
    kind = {"type": "log", "nticks": LOG_TICKS} if log else {}
    return {"title": {"text": f"{quantity} [{unit}]"}, "tickformat": "~s", **kind}


def add_limit(figure: go.Figure, name: str, *, x: float | None = None, y: float | None = None) -> None:
    """A dashed line with a name where ``x`` or ``y`` ends, above all bars and areas, edged in white."""
    told = {"text": name, "bgcolor": "white", "opacity": 0.9, "borderpad": 1}
    for line, extra in (
        ({"color": "white", "width": 4}, {}),
        ({"color": BLACK, "width": 2, "dash": "dash"}, {"annotation": told}),
    ):
        if x is not None:
            figure.add_vline(x=x, line=line, layer="above", **extra)
        if y is not None:
            figure.add_hline(y=y, line=line, layer="above", **extra)


def words(name: str) -> str:
    """A key as words."""
    return name.replace("_", " ")
