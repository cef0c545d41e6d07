"""Calibration: the fitted curves over the measured points, and how far off the fit is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import plotly.graph_objects as go

from planner.pages.figures.style import BLACK, BLUE, ORANGE, SERIES, axis, new_figure

BAND = 0.1  # relative error of the dotted lines
BOX = 62  # [px] of height per kind
FRAME = 150  # [px] around the boxes
COLUMNS = 3  # of panels
PANEL = 190  # [px] of height per row of panels
TITLE = 30  # [px] of them above a panel
MARGIN = 110  # [px] around the panels


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationPoint:
    """One measured kernel, copy or collective, with what the fitted profile predicts for it.

    Attributes:
        kind: a figure each, such as ``"matmul"``.
        family: what is measured, a panel each, such as ``"product+bias/fp32"``.
        setting: under what, a colour each, such as ``"2 processes"``.
        label: this point in words, such as ``"512 x 512 x 64"``.
        size: amount of work.
        unit: of ``size``: ``"FLOP"`` or ``"B"``; the same for a whole kind.
        measured, predicted: [s].
        held_out: took no part in the fit.
    """

    kind: str
    family: str
    setting: str
    label: str
    size: float
    unit: str
    measured: float
    predicted: float
    held_out: bool

    @property
    def error(self) -> float:
        """Predicted / measured - 1."""
        return self.predicted / self.measured - 1


Points = Sequence[CalibrationPoint]
Part = Callable[[CalibrationPoint], str]
Place = tuple[int, int]  # row and column, from 1


def group_points(points: Points, part: Part) -> dict[str, list[CalibrationPoint]]:
    """Points by a part of them, in the order of the first of each."""
    found: dict[str, list[CalibrationPoint]] = {}
    for point in points:
        found.setdefault(part(point), []).append(point)
    return found


def fitted_figure(points: Points) -> go.Figure:
    """Rate against size of one kind, a panel per family on the same axes: points and the fit.

    The fit is a line where predicted times rise with the size, and else, where they depend on more than the
    size, a dash per point.
    """
    panels = group_points(points, lambda point: point.family)
    settings = group_points(points, lambda point: point.setting)
    figure, places = _panels(list(panels))
    told: set[str] = set()
    for (row, column), found in zip(places, panels.values(), strict=True):
        for colour, setting in zip(SERIES, settings, strict=False):
            drawn = [point for point in found if point.setting == setting]
            for trace in _traces(drawn, colour):
                trace.update(legendgroup=trace.name, showlegend=trace.name not in told)
                told.add(trace.name)
                figure.add_trace(trace, row=row, col=column)
    _name_axes(figure, places, points[0].unit)
    return figure


def residual_figure(points: Points) -> go.Figure:
    """Relative errors by kind as boxes with their points, fitted on and held out."""
    kinds = list(group_points(points, lambda point: point.kind))
    figure = new_figure(height=FRAME + BOX * len(kinds), boxmode="group")
    for held_out, name, colour in ((False, "fitted on", BLUE), (True, "held out", ORANGE)):
        drawn = [point for point in points if point.held_out is held_out]
        if drawn:
            figure.add_box(
                orientation="h",
                name=name,
                x=[100 * point.error for point in drawn],
                y=[point.kind for point in drawn],
                text=[f"{point.family}, {_text(point)}" for point in drawn],
                boxpoints="all",
                jitter=0.4,
                pointpos=0,
                marker={"color": colour, "size": 4, "opacity": 0.6},
                line={"width": 1},
                hovertemplate="%{text}<extra></extra>",
            )
    for edge in (-BAND, BAND):
        figure.add_vline(x=100 * edge, line={"dash": "dot", "color": BLACK})
    figure.update_xaxes(title={"text": "predicted / measured - 1 [%]"})
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=kinds, autorange="reversed")
    return figure


def _panels(names: Sequence[str]) -> tuple[go.Figure, list[Place]]:
    """An empty figure with a titled panel per name, and their rows and columns."""
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    places = list(product(range(1, rows + 1), range(1, columns + 1)))
    figure = new_figure(height=MARGIN + PANEL * rows)
    figure.set_subplots(
        rows=rows,
        cols=columns,
        specs=[
            [{} if row * columns + column < len(names) else None for column in range(columns)]
            for row in range(rows)
        ],
        subplot_titles=names,
        horizontal_spacing=0.02,
        vertical_spacing=TITLE / (PANEL * rows),
    )
    figure.update_annotations(font={"size": 12})
    figure.update_layout(legend={"y": 1 + TITLE / (PANEL * rows)})  # above the titles of the first row
    return figure, places[: len(names)]


def _name_axes(figure: go.Figure, places: Sequence[Place], unit: str) -> None:
    """Common axes, named at the left and below the last panel of every column."""
    lowest = {column: row for row, column in places}
    bare = {"title": {"text": ""}, "showticklabels": False}
    for row, column in places:
        size, rate = axis("size", unit, log=True), axis("rate", f"{unit}/s", log=True)
        first = (row, column) == (1, 1)
        below, left = row == lowest[column], column == 1
        figure.update_xaxes(
            {**size, **({} if below else bare), "matches": None if first else "x"}, row=row, col=column
        )
        figure.update_yaxes(
            {**rate, **({} if left else bare), "matches": None if first else "y"}, row=row, col=column
        )


def _traces(points: Points, colour: str) -> Iterator[go.Scatter]:
    """The fit as a line or as dashes, and the measurements as points, hollow where held out."""
    if not points:
        return
    ordered = sorted(points, key=lambda point: (point.size, point.predicted))
    setting, unit = ordered[0].setting, ordered[0].unit
    of_size = {point.size: point.predicted for point in ordered}  # the last of each size
    rising = all(point.predicted == of_size[point.size] for point in ordered) and all(
        before <= after for before, after in pairwise(of_size.values())
    )
    yield go.Scatter(
        mode="lines" if rising else "markers",
        name=f"fitted profile, {setting}",
        x=[point.size for point in ordered],
        y=[point.size / point.predicted for point in ordered],
        line={"color": colour, "width": 1.2},
        marker={"symbol": "line-ew", "size": 9, "line": {"color": colour, "width": 1.5}},
        hoverinfo="skip",
    )
    for held_out, name in ((False, "measured"), (True, "held out")):
        drawn = [point for point in ordered if point.held_out is held_out]
        if drawn:
            yield go.Scatter(
                mode="markers",
                name=f"{name}, {setting}",
                x=[point.size for point in drawn],
                y=[point.size / point.measured for point in drawn],
                text=[_text(point) for point in drawn],
                marker={
                    "color": colour,
                    "symbol": "circle-open" if held_out else "circle",
                    "size": 6,
                    "line": {"width": 1.5 if held_out else 0},
                },
                hovertemplate=f"%{{text}}<br>%{{x:.4s}}{unit}, %{{y:.4s}}{unit}/s<extra></extra>",
            )


def _text(point: CalibrationPoint) -> str:
    return f"{point.label}: {point.error:+.1%}"
