"""Figures of trainings of many steps: the timeline of workers, coloured by staleness, and what was waited."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from planner.pages.figures.palette import GREY, LIGHT, SEQUENTIAL, VERMILION
from planner.pages.figures.style import axis, count_axis, new_figure
from planner.pages.figures.units import scale
from simdl.synchrony.training import Span

BAR = 22  # [px] of height per worker
FRAME = 110
SHOWN = 2_000  # spans; more would be too thin to see
OTHERS = {"exchange": LIGHT, "dropped": VERMILION}


def workers_figure(spans: Sequence[Span], unit: str) -> go.Figure:
    """Lanes of workers over time: computations coloured by the staleness of gradients, if any is stale."""
    shown = sorted(spans, key=lambda span: span.start)[:SHOWN]
    time = scale("s", [span.end for span in shown])
    workers = sorted({span.worker for span in shown})
    figure = new_figure(height=FRAME + BAR * max(4, len(workers)), barmode="overlay")
    computed = [span for span in shown if span.name == "compute"]
    stale = any(span.staleness for span in computed)
    most = max([1.0, *(span.staleness for span in computed)])
    figure.add_bar(
        orientation="h",
        name="computing, coloured by staleness" if stale else "computing",
        base=time.of(span.start for span in computed),
        x=time.of(span.end - span.start for span in computed),
        y=[f"worker {span.worker}" for span in computed],
        marker={"color": _colours([span.staleness for span in computed], most)},
        customdata=[(span.step, span.staleness) for span in computed],
        hovertemplate="step %{customdata[0]}, staleness %{customdata[1]:.4g}<br>%{x:,.4~r} "
        f"{time.unit}"
        "<extra>%{y}</extra>",
    )
    for name, colour in OTHERS.items():
        found = [span for span in shown if span.name == name]
        if found:
            figure.add_bar(
                orientation="h",
                name=name,
                base=time.of(span.start for span in found),
                x=time.of(span.end - span.start for span in found),
                y=[f"worker {span.worker}" for span in found],
                marker={"color": colour},
                customdata=[span.step for span in found],
                hovertemplate=f"{name} of step %{{customdata}}<br>{time.shown('x')}<extra>%{{y}}</extra>",
            )
    if stale:
        _add_scale(figure, most, f"staleness<br>[{unit}]")
    figure.update_xaxes(axis("time", time.unit))
    figure.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=[f"worker {worker}" for worker in workers],
        autorange="reversed",
    )
    return figure


def _colours(values: Sequence[float], most: float) -> list[str]:
    """Colours of values from 0 to ``most``; as numbers on a scale, bars would be warned of one by one."""
    return list(sample_colorscale(SEQUENTIAL, [value / most for value in values]))


def _add_scale(figure: go.Figure, most: float, title: str) -> None:
    """What the colours from 0 to ``most`` say, beside a figure."""
    figure.add_scatter(
        mode="markers",
        x=[None],
        y=[None],
        showlegend=False,
        marker={
            "color": [0.0],
            "colorscale": SEQUENTIAL,
            "cmin": 0,
            "cmax": most,
            "colorbar": {"title": {"text": title}, "outlinewidth": 0},
        },
    )


def staleness_figure(spans: Sequence[Span], unit: str) -> go.Figure:
    """How many gradients of the recorded workers had which staleness."""
    figure = new_figure(height=320)
    found = [span.staleness for span in spans if span.name == "compute"]
    figure.add_histogram(name="gradients", x=found, marker={"color": GREY})
    alone = {"range": (-0.75, 2.5), "dtick": 1} if not any(found) else {}
    figure.update_xaxes(title={"text": f"staleness [{unit}]"}, **alone)
    figure.update_yaxes(count_axis("gradients", found, 1))
    return figure
