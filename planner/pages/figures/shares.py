"""Stacked bars: where the time of a step goes, and what fills the memory."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from planner.console.breakdown_rows import real_amounts
from planner.pages.figures.style import CAUSES, GREY, add_limit, axis, new_figure, words

Amounts = Mapping[str, float]
BAR = 34  # [px] of height per bar
FRAME = 230  # [px] of height around them
ENTRY = 20  # [px] of height per entry of a legend where there is room for one column; it gets half a figure


def breakdown_figure(rows: Sequence[tuple[str, Amounts]]) -> go.Figure:
    """One bar per row: seconds by cause, which add up to the step time."""
    return _stacked(rows, "time", "s")


def memory_parts_figure(rows: Sequence[tuple[str, Amounts]], usable: float) -> go.Figure:
    """One bar per row: bytes by part at the peak; a line where a device is full, at ``usable`` [bytes]."""
    figure = _stacked(rows, "memory at the peak", "B")
    add_limit(figure, "usable", x=usable)
    return figure


def _stacked(rows: Sequence[tuple[str, Amounts]], quantity: str, unit: str) -> go.Figure:
    labels = [label for label, _ in rows]
    rows = [(label, real_amounts(amounts)) for label, amounts in rows]
    names = _names(rows)
    height = max(FRAME + BAR * len(rows), 2 * ENTRY * (len(names) + 1))
    figure = new_figure(height=height, barmode="stack")
    for name in names:
        colour, pattern = CAUSES.get(name, (GREY, "."))
        figure.add_bar(
            orientation="h",
            name=words(name),
            y=labels,
            x=[amounts.get(name, 0.0) for _, amounts in rows],
            marker={"color": colour, "pattern": {"shape": pattern}, "line": {"color": "white", "width": 0.5}},
            hovertemplate=f"{words(name)}: %{{x:.6g}} {unit}<extra>%{{y}}</extra>",
        )
    figure.update_xaxes(axis(quantity, unit))
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def _names(rows: Sequence[tuple[str, Amounts]]) -> list[str]:
    """Known names in the order of their colours, then the others as they come."""
    found = dict.fromkeys(name for _, amounts in rows for name in amounts)
    return [*(name for name in CAUSES if name in found), *(name for name in found if name not in CAUSES)]
