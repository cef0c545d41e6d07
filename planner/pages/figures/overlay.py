"""A measured and a simulated step: seconds by category as two bars, and both timelines above each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from planner.kineto.activities import Activity
from planner.pages.figures.palette import KINDS
from planner.pages.figures.style import axis, new_figure
from planner.pages.figures.units import scale

LANE = 46  # [px] of height
FRAME = 170  # [px] around the lanes
RESOLUTION = 1 / 2000  # of the figure's width: neighbours of one kind within it are drawn as one
MEASURED, SIMULATED = "measured", "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A lane of a timeline: where it stands, its name, and what runs on it [s from step start]."""

    place: str
    name: str
    activities: tuple[Activity, ...]


def categories_figure(rows: Sequence[tuple[str, float, float]]) -> go.Figure:
    """Two stacked bars: name, measured and simulated seconds of every category."""
    figure = new_figure(height=340, barmode="stack")
    time = scale("s", [sum(row[1] for row in rows), sum(row[2] for row in rows)])
    for name, measured, simulated in rows:
        figure.add_bar(
            orientation="h",
            name=name,
            y=[MEASURED, SIMULATED],
            x=time.of([measured, simulated]),
            marker=_marker(name),
            hovertemplate=f"{name}: {time.shown('x')}<extra>%{{y}}</extra>",
        )
    figure.update_xaxes(axis("time", time.unit))
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def lanes_figure(lanes: Sequence[Lane]) -> go.Figure:
    """All lanes on one axis of time; a bar per activity, neighbours closer than a pixel as one."""
    labels = [f"{lane.place}<br>{lane.name}" for lane in lanes]
    figure = new_figure(height=FRAME + LANE * len(lanes), barmode="overlay", bargap=0.25)
    span = max((item.end for lane in lanes for item in lane.activities), default=0.0)
    time = scale("s", [span])
    merged = [_merged(lane.activities, span * RESOLUTION) for lane in lanes]
    present = {item.kind for activities in merged for item in activities}
    for kind in [*(kind for kind in KINDS if kind in present), *sorted(present - set(KINDS))]:
        drawn = [
            (label, item)
            for label, activities in zip(labels, merged, strict=True)
            for item in activities
            if item.kind == kind
        ]
        figure.add_bar(
            orientation="h",
            name=kind,
            y=[label for label, _ in drawn],
            base=time.of(item.start for _, item in drawn),
            x=time.of(item.end - item.start for _, item in drawn),
            text=[item.name for _, item in drawn],
            textposition="none",
            marker=_marker(kind),
            hovertemplate=f"%{{text}}<br>{kind}: {time.shown('x')} from {time.shown('base')}<extra></extra>",
        )
    figure.update_xaxes(axis("time from step start", time.unit), rangemode="tozero")
    figure.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=labels,
        autorange="reversed",
        title={"text": "lane"},
    )
    return figure


def _marker(kind: str) -> dict[str, object]:
    colour, pattern = KINDS.get(kind, KINDS["other"])
    return {"color": colour, "pattern": {"shape": pattern, "solidity": 0.4}, "line": {"width": 0}}


def _merged(activities: Sequence[Activity], apart: float) -> list[Activity]:
    """Neighbours of one kind that follow each other within ``apart`` [s] as one, under the first's name."""
    kept: list[Activity] = []
    for item in activities:
        before = kept[-1] if kept else None
        if before is not None and before.kind == item.kind and item.start - before.end < apart:
            kept[-1] = before._replace(end=max(before.end, item.end))
        else:
            kept.append(item)
    return kept
