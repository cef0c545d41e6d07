"""Trials on devices over time."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from planner.pages.figures.palette import series_colours
from planner.pages.figures.style import axis, new_figure
from planner.pages.figures.units import scale

ROW, LEAST, MOST = 14, 260, 1_400  # [px] of a device and of the figure


def gantt_figure(trials: Sequence[Mapping[str, Any]], devices: int) -> go.Figure:
    """One bar a trial and run of neighbouring devices, coloured by what is trained."""
    time = scale("duration", [trial["end"] for trial in trials])
    colours = series_colours(trial["model"] for trial in trials)
    figure = new_figure(height=min(MOST, max(LEAST, 120 + ROW * devices)), barmode="overlay")
    told: set[str] = set()
    for trial in trials:
        model = trial["model"]
        for first, count in _runs(trial["devices"]):
            figure.add_bar(
                orientation="h",
                name=model,
                legendgroup=model,
                showlegend=model not in told,
                base=time.of([trial["start"]]),
                x=time.of([trial["end"] - trial["start"]]),
                y=[first + (count - 1) / 2],
                width=[count - 0.1],
                text=[trial["name"]],
                textposition="inside",
                insidetextanchor="middle",
                marker={"color": colours[model], "line": {"color": "white", "width": 1}},
                hovertemplate=f"{trial['name']}: {trial['plan']}<extra></extra>",
            )
            told.add(model)
    figure.update_xaxes(axis("time", time.unit))
    figure.update_yaxes(title={"text": "device"}, autorange="reversed")
    return figure


def _runs(devices: Sequence[int]) -> list[tuple[int, int]]:
    """First and number of neighbouring devices."""
    runs: list[tuple[int, int]] = []
    for device in sorted(devices):
        if runs and device == sum(runs[-1]):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((device, 1))
    return runs
