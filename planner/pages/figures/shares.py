"""Stacked bars: where the time of a step goes, and what fills the memory."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from planner.console.answers.breakdown_rows import real_amounts
from planner.pages.figures.palette import CAUSES, OTHER, PART_NAMES, PARTS, Look
from planner.pages.figures.style import add_limit, axis, new_figure, words
from planner.pages.figures.units import Scale, scale

Amounts = Mapping[str, float]
BAR = 34  # [px] of height per bar
FRAME = 230  # [px] of height around them
ENTRY = 20  # [px] of height per entry of a legend where there is room for one column; it gets half a figure


def breakdown_figure(rows: Sequence[tuple[str, Amounts]]) -> go.Figure:
    """One bar per row: time by cause, which adds up to the step time."""
    seconds = scale("s", [sum(amounts.values()) for _, amounts in rows])
    return _stacked(rows, "time", seconds, CAUSES)


def memory_parts_figure(rows: Sequence[tuple[str, Amounts]], usable: float) -> go.Figure:
    """One bar per row: memory by part at the peak; a line where a device is full, at ``usable`` [bytes]."""
    nbytes = scale("B", [usable, *(sum(amounts.values()) for _, amounts in rows)])
    figure = _stacked(rows, "memory at the peak", nbytes, PARTS)
    add_limit(figure, "usable", x=usable / nbytes.size)
    return figure


def _stacked(
    rows: Sequence[tuple[str, Amounts]], quantity: str, unit: Scale, looks: Mapping[str, Look]
) -> go.Figure:
    labels = [label for label, _ in rows]
    rows = [(label, real_amounts(amounts)) for label, amounts in rows]
    names = _names(rows, looks)
    height = max(FRAME + BAR * len(rows), 2 * ENTRY * (len(names) + 1))
    figure = new_figure(height=height, barmode="stack")
    for name in names:
        colour, pattern = looks.get(name, OTHER)
        shown = PART_NAMES.get(name, words(name)) if looks is PARTS else words(name)
        figure.add_bar(
            orientation="h",
            name=shown,
            y=labels,
            x=unit.of(amounts.get(name, 0.0) for _, amounts in rows),
            marker={"color": colour, "pattern": {"shape": pattern}, "line": {"color": "white", "width": 0.5}},
            hovertemplate=f"{shown}: {unit.shown('x')}<extra>%{{y}}</extra>",
        )
    figure.update_xaxes(axis(quantity, unit.unit))
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def _names(rows: Sequence[tuple[str, Amounts]], looks: Mapping[str, Look]) -> list[str]:
    """Known names in the order of their colours, then the others as they come."""
    found = dict.fromkeys(name for _, amounts in rows for name in amounts)
    return [*(name for name in looks if name in found), *(name for name in found if name not in looks)]
