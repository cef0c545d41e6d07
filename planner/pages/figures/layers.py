"""The layers of a per-layer plan: what each takes of the step, and how it is split."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from planner.pages.figures.palette import CAUSES, ROLES, Look
from planner.pages.figures.style import axis, new_figure
from planner.pages.figures.units import scale
from planner.per_layer.shares import LayerTime

BAR = 22  # [px] of height per layer
FRAME = 190  # [px] of height around them
PARTS: Mapping[str, tuple[str, Look]] = {
    "compute": ("computation", (ROLES["computation"], "")),
    "exchange": ("exchange", (ROLES["exchange"], "/")),
    "resharding": ("resharding", CAUSES["resharding"]),
    "gradient_sum": ("gradient sum", (ROLES["gradient sum"], "x")),
}
"""Name and look by part of the time of a layer."""


def layers_figure(layers: Sequence[LayerTime]) -> go.Figure:
    """One bar per layer, named with its split: computation and what is communicated."""
    figure = new_figure(height=FRAME + BAR * len(layers), barmode="stack")
    names = [f"{layer.layer}: {layer.split}" for layer in layers]
    sums = [sum(getattr(layer, part) for part in PARTS) for layer in layers]
    time = scale("s", sums)
    for part, (name, (colour, pattern)) in PARTS.items():
        seconds = [getattr(layer, part) for layer in layers]
        if any(seconds):
            figure.add_bar(
                orientation="h",
                name=name,
                y=names,
                x=time.of(seconds),
                marker={"color": colour, "pattern": {"shape": pattern}},
                hovertemplate=f"{name}: {time.shown('x')}<extra>%{{y}}</extra>",
            )
    figure.update_xaxes(axis("time under way", time.unit))
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=names, autorange="reversed")
    return figure
