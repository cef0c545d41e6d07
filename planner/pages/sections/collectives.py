"""The page of `simdl collectives`."""

from typing import Any

from hardware.units import format_quantity
from planner.pages.figures.collectives import bus_bandwidth_figure, collective_time_figure
from planner.pages.page import Cell, Page, Section, Table

HEADER = ("size", "time", "algorithm", "algorithm bandwidth", "bus bandwidth")
ALONE = " One rank needs no communication: every size takes no time."


def collectives_page(data: dict[str, Any]) -> Page:
    """The page of a collective by message size; ``data`` is the command's JSON."""
    rows = data["rows"]
    table = Section(title="Table", body=Table(header=HEADER, rows=tuple(_row(row) for row in rows)))
    figures = (
        Section(title="Time by size", body=collective_time_figure(rows)),
        Section(title="Bus bandwidth by size", body=bus_bandwidth_figure(rows)),
    )
    alone = data["ranks"] == 1
    return Page(
        title=f"{data['op']} over {data['ranks']} rank{'' if alone else 's'} of {data['cluster']}",
        lines=(f"Library {data['library']}, stride {data['stride']}.{ALONE if alone else ''}",),
        sections=(table,) if alone else (*figures, table),
        data=data,
    )


def _row(row: dict[str, Any]) -> tuple[Cell, ...]:
    return (
        Cell(text=format_quantity(row["size"], "bytes"), value=row["size"]),
        Cell(text=format_quantity(row["time"], "time"), value=row["time"]),
        Cell(text=row["algorithm"]),
        Cell(text=format_quantity(row["algorithm_bandwidth"], "bandwidth"), value=row["algorithm_bandwidth"]),
        Cell(text=format_quantity(row["bus_bandwidth"], "bandwidth"), value=row["bus_bandwidth"]),
    )
