"""The page of `simdl scale`."""

from typing import Any

from planner.figures.scaling import efficiency_figure, throughput_figure
from planner.figures.shares import breakdown_figure
from planner.format import format_seconds
from planner.report_page import Cell, Page, Section, Table

HEADER = ("devices", "global batch", "step", "samples/s", "efficiency", "remark")


def scale_page(data: dict[str, Any], title: str, sample: str) -> Page:
    """The page of a scaling curve; ``data`` is the command's JSON."""
    points = data["points"]
    stop = (
        "Data parallelism pays at every count."
        if data["stops_at"] is None
        else f"Data parallelism stops paying at {data['stops_at']} devices: {data['stopped_by']}"
    )
    ran = [point for point in points if point["step_time"]]
    return Page(
        title=title,
        lines=(stop, *(f"assumed: {sentence}" for sentence in data["assumptions"])),
        sections=(
            Section(title="Throughput", body=throughput_figure(points, sample)),
            Section(title="Efficiency", body=efficiency_figure(points)),
            Section(
                title="Where the time goes",
                body=breakdown_figure([(f"{point['devices']} devices", point["breakdown"]) for point in ran]),
                note="Mean over ranks; every bar adds up to the step time.",
            ),
            Section(title="Table", body=Table(header=HEADER, rows=tuple(map(_row, points)))),
        ),
        data=data,
    )


def _row(point: dict[str, Any]) -> tuple[Cell, ...]:
    ran = point["step_time"] is not None
    return (
        Cell(text=str(point["devices"]), value=point["devices"]),
        Cell(text=str(point["global_batch"]), value=point["global_batch"]),
        Cell(text=format_seconds(point["step_time"]), value=point["step_time"]) if ran else Cell(text="-"),
        Cell(text=f"{point['samples_per_s']:,.0f}", value=point["samples_per_s"]) if ran else Cell(text="-"),
        Cell(text=f"{point['efficiency']:.1%}", value=point["efficiency"]) if ran else Cell(text="-"),
        Cell(text=point["reason"]),
    )
