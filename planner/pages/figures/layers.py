"""The layers of a per-layer plan: what each takes of the step, coloured by how it is split."""

from collections.abc import Sequence

import plotly.graph_objects as go

from planner.pages.figures.style import GREY, SERIES, axis, new_figure
from planner.per_layer.shares import LayerTime

BAR = 22  # [px] of height per layer
FRAME = 190  # [px] of height around them
PARTS = {"compute": "", "exchange": "/", "resharding": "\\", "gradient_sum": "x"}
"""Pattern by part of the time of a layer."""
NAMES = {
    "compute": "computation",
    "exchange": "exchange",
    "resharding": "resharding",
    "gradient_sum": "gradient sum",
}


def layers_figure(layers: Sequence[LayerTime]) -> go.Figure:
    """One bar per layer: colours tell the splits apart, patterns computation and what is communicated."""
    figure = new_figure(height=FRAME + BAR * len(layers), barmode="stack")
    for place, split in enumerate(dict.fromkeys(layer.split for layer in layers)):
        drawn = [layer for layer in layers if layer.split == split]
        for part, pattern in PARTS.items():
            _add_part(figure, drawn, part, SERIES[place % len(SERIES)], pattern)
    for part, pattern in PARTS.items():
        if part != "compute" and any(getattr(layer, part) for layer in layers):
            figure.add_bar(
                orientation="h",
                name=NAMES[part],
                y=[layers[0].layer],
                x=[0.0],
                marker={"color": GREY, "pattern": {"shape": pattern}},
                hoverinfo="skip",
            )
    figure.update_xaxes(axis("time under way", "s"))
    names = [layer.layer for layer in layers]
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=names, autorange="reversed")
    return figure


def _add_part(figure: go.Figure, layers: Sequence[LayerTime], part: str, colour: str, pattern: str) -> None:
    """A part of the time of all layers of one split; the legend names the split by its computation."""
    seconds = [getattr(layer, part) for layer in layers]
    if part != "compute" and not any(seconds):
        return
    split = layers[0].split
    figure.add_bar(
        orientation="h",
        name=split,
        legendgroup=split,
        showlegend=part == "compute",
        y=[layer.layer for layer in layers],
        x=seconds,
        marker={"color": colour, "pattern": {"shape": pattern}},
        hovertemplate=f"{split}, {NAMES[part]}: %{{x:.6g}} s<extra>%{{y}}</extra>",
    )
