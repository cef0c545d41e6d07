"""Predicted against measured: one point per row and family, and how the errors are distributed."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from planner.pages.figures.style import BLACK, GREY, LIGHT, SERIES, axis, new_figure

BAND = 0.1  # relative error of the drawn band
BIN = 0.05  # of the histogram of errors
PATTERNS = ("", "/", "x", ".")
END = 1.0  # errors beyond it are counted in the last bin
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "triangle-down", "star")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A measurement and its prediction in the same unit."""

    family: str
    label: str
    measured: float
    predicted: float

    @property
    def error(self) -> float:
        """Predicted / measured - 1."""
        return self.predicted / self.measured - 1


def accuracy_figure(pairs: Sequence[Pair], quantity: str, unit: str) -> go.Figure:
    """Log-log, with the diagonal and a band of 10 % around it."""
    figure = new_figure(height=560)
    ends = [value for pair in pairs for value in (pair.measured, pair.predicted)]
    low, high = min(ends) / 1.5, max(ends) * 1.5
    bands = ((1 - BAND, "", None), (1 + BAND, "10 % band", "tonexty"), (1.0, "exact", None))
    for factor, name, filled in bands:
        figure.add_scatter(
            mode="lines",
            x=[low, high],
            y=[low * factor, high * factor],
            name=name,
            showlegend=bool(name),
            fill=filled,
            fillcolor=LIGHT,
            line={"color": BLACK if factor == 1 else GREY, "width": 1},
            hoverinfo="skip",
        )
    for place, family in enumerate(families(pairs)):
        drawn = [pair for pair in pairs if pair.family == family]
        figure.add_scatter(
            mode="markers",
            name=family,
            x=[pair.measured for pair in drawn],
            y=[pair.predicted for pair in drawn],
            text=[f"{pair.label}: {pair.error:+.1%}" for pair in drawn],
            marker=_marker(place),
            hovertemplate=f"%{{text}}<br>measured %{{x:.5g}} {unit}, predicted %{{y:.5g}} {unit}"
            "<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(axis(f"measured {quantity}", unit, log=True))
    figure.update_yaxes(axis(f"predicted {quantity}", unit, log=True))
    return figure


def error_figure(pairs: Sequence[Pair]) -> go.Figure:
    """Histogram of relative errors, stacked by family; errors beyond 100 % stand in the last bin."""
    figure = new_figure(height=420, barmode="stack")
    for place, family in enumerate(families(pairs)):
        figure.add_histogram(
            name=family,
            x=[100 * min(pair.error, END) for pair in pairs if pair.family == family],
            xbins={"start": -100, "end": 100 * (END + BIN), "size": 100 * BIN},
            marker={
                "color": SERIES[place % len(SERIES)],
                "pattern": {"shape": PATTERNS[place // len(SERIES) % len(PATTERNS)]},
                "line": {"color": "white", "width": 0.5},
            },
        )
    for edge in (-BAND, BAND):
        figure.add_vline(x=100 * edge, line={"dash": "dot", "color": BLACK})
    figure.update_xaxes(title={"text": "predicted / measured - 1 [%]"})
    figure.update_yaxes(title={"text": "rows [count]"})
    return figure


def families(pairs: Sequence[Pair]) -> list[str]:
    """Families in the order of their first row."""
    return list(dict.fromkeys(pair.family for pair in pairs))


def _marker(place: int) -> dict[str, object]:
    return {
        "color": SERIES[place % len(SERIES)],
        "symbol": SYMBOLS[(place // len(SERIES)) % len(SYMBOLS)],
        "size": 7,
        "opacity": 0.75,
    }
