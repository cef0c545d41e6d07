"""The page of `simdl scale`."""

from collections.abc import Callable
from typing import Any

from planner.console.format import format_rate, format_seconds
from planner.pages.figures.scaling import efficiency_figure, throughput_figure
from planner.pages.figures.shares import breakdown_figure
from planner.pages.page import Cell, Page, Section, Table


def scale_page(data: dict[str, Any], title: str, sample: str) -> Page:
    """The page of a scaling curve; ``data`` is the command's JSON."""
    points, concluded = data["points"], data["conclusion"]
    ran = [point for point in points if point["step_time"]]
    header = ("devices", "global batch", "step", f"{sample}s/s", "efficiency", "remark")
    return Page(
        title=title,
        headline=data["headline"],
        lines=(f"{concluded[:1].upper()}{concluded[1:]}.", *map("assumed: {}".format, data["assumptions"])),
        sections=(
            Section(
                title="Throughput",
                body=throughput_figure(points, sample),
                note="Ideal: as much per device as on the fewest.",
            ),
            *_efficiency(points),
            Section(
                title="Where the time goes",
                body=breakdown_figure([(f"{point['devices']} devices", point["breakdown"]) for point in ran]),
                note="Mean over ranks; every bar adds up to the step time.",
            ),
            Section(title="Table", body=Table(header=header, rows=tuple(map(_row, points)))),
        ),
        data=data,
    )


def _efficiency(points: list[dict[str, Any]]) -> tuple[Section, ...]:
    """Where a step fits; nothing where it fits nowhere."""
    if not any(point["step_time"] and not point["reason"] for point in points):
        return ()
    return (
        Section(title="Efficiency", body=efficiency_figure(points), note="Throughput over the ideal one."),
    )


def _row(point: dict[str, Any]) -> tuple[Cell, ...]:
    return (
        Cell(text=f"{point['devices']:,}", value=point["devices"]),
        Cell(text=f"{point['global_batch']:,}", value=point["global_batch"]),
        _number(point["step_time"], format_seconds),
        _number(point["samples_per_s"], format_rate),
        _number(point["efficiency"], "{:.1%}".format),
        Cell(text=point["reason"]),
    )


def _number(value: float | None, text: Callable[[float], str]) -> Cell:
    """What a point that ran has; a dash for one that could not."""
    return Cell(text="-") if value is None else Cell(text=text(value), value=value)
