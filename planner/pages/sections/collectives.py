"""The page of `simdl collectives`."""

from math import floor, log10
from typing import Any

from hardware.units import format_quantity
from planner.console.format import format_seconds
from planner.pages.figures.collectives import bus_bandwidth_figure, collective_time_figure
from planner.pages.page import Cell, Page, Section, Table

HEADER = ("size", "time", "algorithm", "protocol", "algorithm bandwidth", "bus bandwidth", "lower bound")
SHORTEST = 1e-7  # [s], below which four digits of ms would have an exponent
ALONE = " One rank needs no communication: every size takes no time."


def collectives_page(data: dict[str, Any]) -> Page:
    """The page of a collective by message size; ``data`` is the command's JSON."""
    rows = data["rows"]
    several = any(not row["chosen"] for row in rows)
    marked = frozenset(place for place, row in enumerate(rows) if row["chosen"] and several)
    table = Section(
        title="Table",
        body=Table(header=HEADER, rows=tuple(_row(row) for row in rows), marked=marked),
        note="Marked: what the library takes by itself." if marked else "",
    )
    figures = (
        Section(
            title="Time by size",
            body=collective_time_figure(rows),
            note="From the call until the last rank is done.",
        ),
        Section(
            title="Bus bandwidth by size",
            body=bus_bandwidth_figure(rows),
            note="Bytes over time, scaled to compare with a link's bandwidth whatever the number of ranks.",
        ),
    )
    alone = data["ranks"] == 1
    version = f" {data['version']}" if data["version"] else ""
    library = f"{data['library'].partition(':')[0]}{version}"
    return Page(
        title=f"{data['op']} over {data['ranks']} rank{'' if alone else 's'} of {data['cluster']}",
        headline=data["headline"],
        lines=(f"Library {library}, stride {data['stride']}.{ALONE if alone else ''}",),
        sections=(table,) if alone else (*figures, _steps_section(data), table),
        data=data,
    )


def _steps_section(data: dict[str, Any]) -> Section:
    """What the library takes by size, and where the fastest algorithm changes."""
    steps = [
        (kind, step)
        for kind, key in (("the library's choice", "choice"), ("the fastest", "crossovers"))
        for step in data[key]
    ]
    rows = tuple(
        (
            Cell(text=format_quantity(step["size"], "bytes"), value=step["size"]),
            Cell(text=step["algorithm"]),
            Cell(text=step["protocol"]),
            Cell(text=kind),
        )
        for kind, step in steps
    )
    return Section(
        title="Crossover points",
        body=Table(header=("from", "algorithm", "protocol", "by"), rows=rows),
        note="Sizes from which on the library takes another algorithm by itself, and from which on another "
        "of all that are known would be the fastest.",
    )


def _row(row: dict[str, Any]) -> tuple[Cell, ...]:
    return (
        Cell(text=format_quantity(row["size"], "bytes"), value=row["size"]),
        Cell(text=format_seconds(row["time"]), value=row["time"]),
        Cell(text=f"{row['algorithm']} (the library's choice)" if row["chosen"] else row["algorithm"]),
        Cell(text=row["protocol"]),
        Cell(text=format_quantity(row["algorithm_bandwidth"], "bandwidth"), value=row["algorithm_bandwidth"]),
        Cell(text=format_quantity(row["bus_bandwidth"], "bandwidth"), value=row["bus_bandwidth"]),
        Cell(text=_short(row["lower_bound"]), value=row["lower_bound"]),
    )


def _short(seconds: float) -> str:
    """A time in ms without an exponent, however short."""
    if 0 < seconds < SHORTEST:
        return f"{seconds * 1e3:.{2 - floor(log10(seconds * 1e3))}f} ms"
    return format_seconds(seconds)
