"""Roofline of the operators: what each achieves against what the device allows (Williams et al. 2009)."""

from collections.abc import Sequence

import plotly.graph_objects as go

from hardware.device import Device
from planner.pages.figures.style import BLACK, GREY, KINDS, axis, new_figure
from simdl.report.kernel_uses import KernelUse

LEAST, LARGEST = 6, 26  # [px] of markers


def roofline_figure(uses: Sequence[KernelUse], device: Device, dtype: str) -> go.Figure:
    """Operators by arithmetic intensity and achieved rate; markers grow with their share of the time."""
    figure = new_figure(height=460)
    counted = [use for use in uses if use.flops > 0 and use.nbytes > 0]
    intensities = [use.flops / use.nbytes for use in counted] or [1.0]
    _add_roof(figure, device, dtype, min(intensities), max(intensities))
    total = sum(use.seconds for use in uses) or 1.0
    for kind in sorted({use.kind for use in counted}):
        drawn = [use for use in counted if use.kind == kind]
        colour, pattern = KINDS.get(kind, KINDS["other"])
        figure.add_scatter(
            mode="markers",
            name=kind,
            x=[use.flops / use.nbytes for use in drawn],
            y=[use.flops / use.seconds for use in drawn],
            text=[f"{use.name} ({use.seconds / total:.1%} of device time)" for use in drawn],
            marker={
                "size": [LEAST + (LARGEST - LEAST) * (use.seconds / total) ** 0.5 for use in drawn],
                "color": colour,
                "symbol": "diamond" if pattern else "circle",
                "opacity": 0.75,
                "line": {"color": GREY, "width": 0.5},  # yellow would be lost on white
            },
            hovertemplate="%{text}<br>%{x:.4g} FLOP/B, %{y:.4s}FLOP/s<extra></extra>",
        )
    figure.update_xaxes(axis("arithmetic intensity", "FLOP/B", log=True))
    figure.update_yaxes(axis("achieved rate", "FLOP/s", log=True))
    return figure


def _add_roof(figure: go.Figure, device: Device, dtype: str, least: float, largest: float) -> None:
    for name, peak, colour in (
        (f"peak {dtype}", device.flop_rate(dtype), BLACK),
        ("peak of vector units", device.vector_flop_rate, GREY),
    ):
        ridge = peak / device.memory_bandwidth
        xs = [min(least, ridge) / 2, ridge, max(largest, ridge) * 2]
        figure.add_scatter(
            mode="lines",
            name=name,
            x=xs,
            y=[min(peak, x * device.memory_bandwidth) for x in xs],
            line={"color": colour, "width": 2},
            hoverinfo="skip",
        )
