"""Predicted against measured: one point per row and family, and how the errors are distributed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from planner.pages.figures.palette import BLACK, LIGHT, SERIES, series_colours
from planner.pages.figures.style import axis, count_axis, new_figure
from planner.pages.figures.units import scale

BAND = 0.1  # relative error of the drawn band
LEAST = 0.2  # error that axes reach at least, so that the band is seen as one
BIN = 0.05  # of the histogram of errors
END = 1.0  # errors beyond it are drawn at the edge
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


def accuracy_figure(pairs: Sequence[Pair], quantity: str, unit: str, colours: Mapping[str, str]) -> go.Figure:
    """Log-log, with the diagonal and a band of 10 % around it; ``colours`` by family."""
    figure = new_figure(height=560)
    ends = [value for pair in pairs for value in (pair.measured, pair.predicted)]
    read = scale(unit, ends, log=True)
    low, high = min(ends) / 1.5 / read.size, max(ends) * 1.5 / read.size
    figure.add_scatter(
        mode="none",
        x=[low, high, high, low],
        y=[low * (1 - BAND), high * (1 - BAND), high * (1 + BAND), low * (1 + BAND)],
        name="10 % band",
        fill="toself",
        fillcolor=LIGHT,
        hoverinfo="skip",
    )
    figure.add_scatter(
        mode="lines",
        x=[low, high],
        y=[low, high],
        name="exact",
        line={"color": BLACK, "width": 1},
        hoverinfo="skip",
    )
    for family, drawn, symbol in _by_family(pairs, colours):
        figure.add_scatter(
            mode="markers",
            name=family,
            x=read.of(pair.measured for pair in drawn),
            y=read.of(pair.predicted for pair in drawn),
            text=[f"{pair.label}: {pair.error:+.1%}" for pair in drawn],
            marker={"color": colours[family], "symbol": symbol, "size": 7, "opacity": 0.75},
            hovertemplate=f"%{{text}}<br>measured {read.shown('x')}, "
            f"predicted {read.shown('y')}<extra>%{{fullData.name}}</extra>",
        )
    figure.update_xaxes(axis(f"measured {quantity}", read.unit, log=True, values=ends))
    figure.update_yaxes(axis(f"predicted {quantity}", read.unit, log=True, values=ends))
    return figure


def residual_figure(pairs: Sequence[Pair], quantity: str, unit: str, colours: Mapping[str, str]) -> go.Figure:
    """Relative errors over what was measured; those beyond ``END`` stand on the edge, as triangles."""
    figure = new_figure(height=440)
    measured = [pair.measured for pair in pairs]
    read = scale(unit, measured, log=True)
    for family, drawn, symbol in _by_family(pairs, colours):
        figure.add_scatter(
            mode="markers",
            name=family,
            x=read.of(pair.measured for pair in drawn),
            y=[100 * min(pair.error, END) for pair in drawn],
            text=[f"{pair.label}: {pair.error:+.1%}" for pair in drawn],
            marker={
                "color": colours[family],
                "symbol": ["triangle-up-open" if pair.error > END else symbol for pair in drawn],
                "size": 7,
                "opacity": 0.75,
            },
            hovertemplate=f"%{{text}}<br>measured {read.shown('x')}<extra>%{{fullData.name}}</extra>",
        )
    add_band(figure, upright=False)
    figure.add_hline(y=0, line={"color": BLACK, "width": 1}, name="exact")
    figure.update_xaxes(axis(f"measured {quantity}", read.unit, log=True, values=measured))
    figure.update_yaxes(title={"text": "predicted / measured - 1 [%]"}, range=_reach(pairs))
    return figure


def error_figure(pairs: Sequence[Pair], colours: Mapping[str, str]) -> go.Figure:
    """Histogram of relative errors, stacked by family; errors beyond ``END`` stand in the last bin."""
    figure = new_figure(height=420, barmode="stack")
    for family, drawn, _ in _by_family(pairs, colours):
        figure.add_histogram(
            name=family,
            x=[100 * min(pair.error, END) for pair in drawn],
            xbins={"start": -100, "end": 100 * (END + BIN), "size": 100 * BIN},
            marker={"color": colours[family], "line": {"color": "white", "width": 0.5}},
        )
    add_band(figure, upright=True)
    figure.update_xaxes(title={"text": "predicted / measured - 1 [%]"}, range=_reach(pairs))
    figure.update_yaxes(count_axis("rows", (min(pair.error, END) for pair in pairs), BIN))
    return figure


def _reach(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Ends of an axis of errors [%], with room for markers and for the last bin."""
    errors = [min(pair.error, END) for pair in pairs]
    return 100 * (min([-LEAST, *errors]) - BIN), 100 * (max([LEAST, *errors]) + BIN)


def add_band(figure: go.Figure, *, upright: bool) -> None:
    """Errors of 10 % on either side as a band behind all else, along x if ``upright``."""
    look = {"fillcolor": LIGHT, "layer": "below", "line_width": 0, "name": "10 % band"}
    if upright:
        figure.add_vrect(x0=-100 * BAND, x1=100 * BAND, **look)
    else:
        figure.add_hrect(y0=-100 * BAND, y1=100 * BAND, **look)


def family_colours(pairs: Sequence[Pair]) -> dict[str, str]:
    """Colours of the families of a page, in the order of their first rows."""
    return series_colours(pair.family for pair in pairs)


def _by_family(pairs: Sequence[Pair], colours: Mapping[str, str]) -> Iterator[tuple[str, list[Pair], str]]:
    """Families that have rows, with those and a marker."""
    for place, family in enumerate(colours):
        drawn = [pair for pair in pairs if pair.family == family]
        if drawn:
            yield family, drawn, SYMBOLS[place // len(SERIES) % len(SYMBOLS)]
