"""Calibration: the fitted curves over the measured points, and how far off the fit is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import log10
from statistics import quantiles

import plotly.graph_objects as go

from planner.pages.figures.accuracy import add_band
from planner.pages.figures.palette import GREEN, GREY, series_colours, shade
from planner.pages.figures.style import axis, new_figure
from planner.pages.figures.units import Scale, scale, size_axis

LEAST = 0.5  # relative error that is always drawn where it lies
BOX = 62  # [px] of height per kind
FRAME = 150  # [px] around the boxes
COLUMNS = 3  # of panels
PANEL = 190  # [px] of height per row of panels
TITLE = 30  # [px] of them above a panel
MARGIN = 110  # [px] around the panels
REACH = 10.0
"""Of a fitted rate beyond all measured ones: it is drawn up to this factor."""
EDGE = 0.1  # decades beyond the outermost points


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


def fitted_figure(points: Points, colours: Mapping[str, str]) -> go.Figure:
    """Rate against size of one kind, a panel per family on the same axes: points and the fit.

    A setting has three shades of its colour: measured, held out, and the fit.

    The fit is a line where predicted times rise with the size, and else, where they depend on more than the
    size, a dash per point.
    """
    panels = group_points(points, lambda point: point.family)
    figure, places = _panels(list(panels))
    unit = points[0].unit
    sizes = Scale(unit="B") if unit == "B" else scale(unit, [point.size for point in points], log=True)
    rates = scale(f"{unit}/s", [point.size / point.measured for point in points], log=True)
    told: set[str] = set()
    for (row, column), found in zip(places, panels.values(), strict=True):
        for setting, colour in colours.items():
            drawn = [point for point in found if point.setting == setting]
            for trace in _traces(drawn, colour, (sizes, rates)):
                trace.update(legendgroup=trace.name, showlegend=trace.name not in told)
                told.add(trace.name)
                figure.add_trace(trace, row=row, col=column)
    _name_axes(figure, places, (sizes, rates), points)
    return figure


def setting_colours(points: Points) -> dict[str, str]:
    """Colours of the settings of a page."""
    return series_colours(point.setting for point in points)


def clipped_at(points: Points) -> float:
    """The largest error that residuals are drawn with: beyond are the outliers of all errors.

    Tukey's outer fence (1977, "Exploratory Data Analysis"), three interquartile ranges from the quartiles,
    and never less than ``LEAST``, so that a good fit is not clipped.
    """
    errors = [abs(point.error) for point in points]
    low, _, high = quantiles([*errors, *errors], n=4, method="inclusive")
    fence = max(LEAST, high + 3 * (high - low))
    return min(fence, max(LEAST, *errors))


def outliers(points: Points) -> list[CalibrationPoint]:
    """Points whose errors are drawn at the edge, the farthest first."""
    edge = clipped_at(points)
    return sorted((p for p in points if abs(p.error) > edge), key=lambda point: -abs(point.error))


def residual_figure(points: Points) -> go.Figure:
    """Relative errors by kind as boxes with their points, fitted on and held out; outliers at the edge."""
    edge = clipped_at(points)
    kinds = list(group_points(points, lambda point: point.kind))
    figure = new_figure(height=FRAME + BOX * len(kinds), boxmode="group")
    for held_out, name, colour in ((False, "fitted on", GREY), (True, "held out", GREEN)):
        drawn = [point for point in points if point.held_out is held_out]
        if drawn:
            figure.add_box(
                orientation="h",
                name=name,
                x=[100 * max(-edge, min(point.error, edge)) for point in drawn],
                y=[point.kind for point in drawn],
                text=[f"{point.family}, {_text(point)}" for point in drawn],
                boxpoints="all",
                jitter=0.4,
                pointpos=0,
                marker={"color": colour, "size": 4, "opacity": 0.6},
                line={"width": 1},
                hovertemplate="%{text}<extra></extra>",
            )
    add_band(figure, upright=True)
    figure.update_xaxes(title={"text": "predicted / measured - 1 [%]"}, range=[-105 * edge, 105 * edge])
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


def _name_axes(
    figure: go.Figure, places: Sequence[Place], units: tuple[Scale, Scale], points: Points
) -> None:
    """Common axes, named at the left and below the last panel of every column."""
    lowest = {column: row for row, column in places}
    bare = {"title": {"text": ""}, "showticklabels": False}
    sizes, rates = [point.size for point in points], [point.size / point.measured for point in points]
    size = axis("size", units[0].unit, log=True, values=sizes)
    if units[0].unit == "B":
        size = size_axis("size", sizes, ticks=3)
    rate = {**axis("rate", units[1].unit, log=True, values=rates), "range": _decades(points, units[1])}
    for row, column in places:
        first = (row, column) == (1, 1)
        below, left = row == lowest[column], column == 1
        figure.update_xaxes(
            {**size, **({} if below else bare), "matches": None if first else "x"}, row=row, col=column
        )
        figure.update_yaxes(
            {**rate, **({} if left else bare), "matches": None if first else "y"}, row=row, col=column
        )


def _decades(points: Points, unit: Scale) -> list[float]:
    """Logarithms of the lowest and the highest rate of a figure: what was measured, and the fit within reach.

    The browser finds no range of its own for axes that are to match.
    """
    measured = [point.size / point.measured / unit.size for point in points]
    fitted = [point.size / point.predicted / unit.size for point in points]
    low, high = min(measured), max(measured)
    least, most = max(low / REACH, min(low, *fitted)), min(high * REACH, max(high, *fitted))
    return [log10(least) - EDGE, log10(most) + EDGE]


def _traces(points: Points, colour: str, units: tuple[Scale, Scale]) -> Iterator[go.Scatter]:
    """The fit as a line or as dashes, and the measurements as points, hollow where held out."""
    if not points:
        return
    ordered = sorted(points, key=lambda point: (point.size, point.predicted))
    setting, (size, rate) = ordered[0].setting, units
    fit = shade(colour, -0.45)
    of_size = {point.size: point.predicted for point in ordered}  # the last of each size
    rising = all(point.predicted == of_size[point.size] for point in ordered) and all(
        before <= after for before, after in pairwise(of_size.values())
    )
    yield go.Scatter(
        mode="lines" if rising else "markers",
        name=f"fitted profile, {setting}",
        x=size.of(point.size for point in ordered),
        y=rate.of(point.size / point.predicted for point in ordered),
        line={"color": fit, "width": 1.2},
        marker={"symbol": "line-ew", "size": 9, "color": fit, "line": {"color": fit, "width": 1.5}},
        hoverinfo="skip",
    )
    for held_out, name, look in ((False, "measured", colour), (True, "held out", shade(colour, 0.4))):
        drawn = [point for point in ordered if point.held_out is held_out]
        if drawn:
            yield go.Scatter(
                mode="markers",
                name=f"{name}, {setting}",
                x=size.of(point.size for point in drawn),
                y=rate.of(point.size / point.measured for point in drawn),
                text=[_text(point) for point in drawn],
                marker={
                    "color": look,
                    "symbol": "circle-open" if held_out else "circle",
                    "size": 6,
                    "line": {"width": 1.5 if held_out else 0},
                },
                hovertemplate=f"%{{text}}<br>{size.shown('x')}, {rate.shown('y')}<extra></extra>",
            )


def _text(point: CalibrationPoint) -> str:
    return f"{point.label}: {point.error:+.1%}"
