"""Roofline of the operators: what each achieves against what the device allows (Williams et al. 2009)."""

from collections.abc import Sequence

import plotly.graph_objects as go

from hardware.device import Device
from planner.pages.figures.palette import ROLES, SYMBOLS, kernel_colour
from planner.pages.figures.style import axis, new_figure
from planner.pages.figures.units import Scale, scale
from simdl.report.kernel_uses import KernelUse

LEAST, LARGEST = 6, 26  # [px] of markers


def roofline_figure(uses: Sequence[KernelUse], device: Device, dtype: str) -> go.Figure:
    """Operators by arithmetic intensity and achieved rate; a marker per kind grows with its share of time."""
    figure = new_figure(height=460)
    counted = [use for use in uses if use.flops > 0 and use.nbytes > 0]
    intensities = [use.flops / use.nbytes for use in counted] or [1.0]
    rate = scale("FLOP/s", [device.flop_rate(dtype)])
    _add_roof(figure, device, dtype, (min(intensities), max(intensities)), rate)
    rates = [use.flops / use.seconds for use in counted]
    total = sum(use.seconds for use in uses) or 1.0
    for kind in sorted({use.kind for use in counted}):
        drawn = [use for use in counted if use.kind == kind]
        figure.add_scatter(
            mode="markers",
            name=kind,
            x=[use.flops / use.nbytes for use in drawn],
            y=rate.of(use.flops / use.seconds for use in drawn),
            text=[f"{use.name} ({use.seconds / total:.1%} of device time)" for use in drawn],
            marker={
                "size": [LEAST + (LARGEST - LEAST) * (use.seconds / total) ** 0.5 for use in drawn],
                "color": kernel_colour(kind),
                "symbol": SYMBOLS.get(kind, SYMBOLS["other"]),
                "opacity": 0.75,
                "line": {"color": "white", "width": 0.5},
            },
            hovertemplate=f"%{{text}}<br>%{{x:,.4~r}} FLOP/B, {rate.shown('y')}<extra></extra>",
        )
    figure.update_xaxes(axis("arithmetic intensity", "FLOP/B", log=True, values=intensities))
    figure.update_yaxes(axis("achieved rate", rate.unit, log=True, values=rates))
    return figure


def _add_roof(figure: go.Figure, device: Device, dtype: str, span: tuple[float, float], rate: Scale) -> None:
    """What memory and units allow, over the intensities from the least to the largest."""
    least, largest = span
    for name, peak, colour in (
        (f"peak {dtype}", device.flop_rate(dtype), ROLES["peak of products"]),
        ("peak of vector units", device.vector_flop_rate, ROLES["peak of vector units"]),
    ):
        ridge = peak / device.memory_bandwidth
        xs = [min(least, ridge) / 2, ridge, max(largest, ridge) * 2]
        figure.add_scatter(
            mode="lines",
            name=name,
            x=xs,
            y=rate.of(min(peak, x * device.memory_bandwidth) for x in xs),
            line={"color": colour, "width": 2},
            hoverinfo="skip",
        )
