"""The page of `simdl goodput`."""

from typing import Any

from planner.console.format import format_duration
from planner.pages.figures.goodput import goodput_figure, loss_figure
from planner.pages.page import Cell, Page, Section, Table


def goodput_page(data: dict[str, Any]) -> Page:
    """The page of a long training; ``data`` is the command's JSON."""
    curve = data["curve"]
    figures = (
        Section(title="Goodput by interval", body=goodput_figure(curve, data["intervals"])),
        Section(title="Where the rest goes", body=loss_figure(curve)),
    )
    steps = f"{data['steps']:,.0f} steps in {format_duration(data['horizon'])}"
    return Page(
        title=f"{data['model']} on {data['cluster']}: goodput",
        headline=data["headline"],
        lines=(
            f"{data['goodput']:.2%} of the time is training kept: {steps}.",
            *(f"warning: {sentence}" for sentence in data["warnings"]),
            *(f"assumed: {sentence}" for sentence in data["assumptions"]),
        ),
        sections=(
            *(figures if curve else ()),
            Section(title="Where the time goes", body=_breakdown(data["breakdown"])),
            *((Section(title="Intervals", body=_intervals(data["intervals"])),) if curve else ()),
        ),
        data=data,
    )


def _breakdown(shares: dict[str, float]) -> Table:
    rows = ((Cell(text=name), Cell(text=f"{share:.2%}", value=share)) for name, share in shares.items())
    return Table(header=("part", "share"), rows=tuple(rows))


def _intervals(intervals: dict[str, dict[str, float]]) -> Table:
    rows = (
        (
            Cell(text=name.replace("_", " ")),
            Cell(text=format_duration(each["interval"]), value=each["interval"]),
            Cell(text=f"{each['waste']:.2%}", value=each["waste"]),
            Cell(text=f"{each['expected_waste']:.2%}", value=each["expected_waste"]),
        )
        for name, each in intervals.items()
    )
    return Table(header=("interval", "of training", "waste", "expected"), rows=tuple(rows))
