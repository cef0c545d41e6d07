"""Calibration: the fitted curves over the measured points, and how far off the fit is."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from planner.figures.style import BLACK, BLUE, ORANGE, axis, new_figure

BAND = 0.1  # relative error of the dotted lines
BOX = 52  # [px] of height per family
FRAME = 150  # [px] around the boxes


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationPoint:
    """One measured kernel, copy or collective, with what the fitted profile predicts for it.

    Attributes:
        family: what is measured, such as ``"matmul fp32"``; a figure each.
        label: this point in words, such as ``"512 x 512 x 64"``.
        size: amount of work.
        unit: of ``size``: ``"FLOP"`` or ``"B"``; the same for a whole family.
        measured, predicted: [s].
        held_out: took no part in the fit.
    """

    family: str
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


def families(points: Sequence[CalibrationPoint]) -> dict[str, list[CalibrationPoint]]:
    """Points by family, in the order of the first of each."""
    found: dict[str, list[CalibrationPoint]] = {}
    for point in points:
        found.setdefault(point.family, []).append(point)
    return found


def fitted_figure(points: Sequence[CalibrationPoint]) -> go.Figure:
    """Rate against size of one family: measured points, hollow where held out, and a line for the fit."""
    figure = new_figure(height=420)
    unit = points[0].unit
    ordered = sorted(points, key=lambda point: point.size)
    figure.add_scatter(
        mode="lines",
        name="fitted profile",
        x=[point.size for point in ordered],
        y=[point.size / point.predicted for point in ordered],
        line={"color": BLACK, "width": 1.5},
        hoverinfo="skip",
    )
    for held_out, name, symbol in (
        (False, "measured, fitted on", "circle"),
        (True, "held out", "circle-open"),
    ):
        drawn = [point for point in ordered if point.held_out is held_out]
        if drawn:
            figure.add_scatter(
                mode="markers",
                name=name,
                x=[point.size for point in drawn],
                y=[point.size / point.measured for point in drawn],
                text=[_text(point) for point in drawn],
                marker={
                    "color": ORANGE if held_out else BLUE,
                    "symbol": symbol,
                    "size": 8,
                    "line": {"width": 2},
                },
                hovertemplate=f"%{{text}}<br>%{{x:.4s}}{unit}, %{{y:.4s}}{unit}/s<extra></extra>",
            )
    figure.update_xaxes(axis("size", unit, log=True))
    figure.update_yaxes(axis("rate", f"{unit}/s", log=True))
    return figure


def residual_figure(points: Sequence[CalibrationPoint]) -> go.Figure:
    """Relative errors by family as boxes with their points, fitted on and held out."""
    names = list(families(points))
    figure = new_figure(height=FRAME + BOX * len(names), boxmode="group")
    for held_out, name, colour in ((False, "fitted on", BLUE), (True, "held out", ORANGE)):
        drawn = [point for point in points if point.held_out is held_out]
        if drawn:
            figure.add_box(
                orientation="h",
                name=name,
                x=[100 * point.error for point in drawn],
                y=[point.family for point in drawn],
                text=[_text(point) for point in drawn],
                boxpoints="all",
                jitter=0.4,
                pointpos=0,
                marker={"color": colour, "size": 4},
                line={"width": 1},
                hovertemplate="%{text}<extra></extra>",
            )
    for edge in (-BAND, BAND):
        figure.add_vline(x=100 * edge, line={"dash": "dot", "color": BLACK})
    figure.update_xaxes(title={"text": "predicted / measured - 1 [%]"})
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=names, autorange="reversed")
    return figure


def _text(point: CalibrationPoint) -> str:
    return f"{point.label}: {point.error:+.1%}"
