"""The page of `simdl search`."""

from typing import Any

from planner.console.format import format_duration, format_seconds
from planner.pages.figures.trials import gantt_figure
from planner.pages.page import Cell, Page, Section, Table
from planner.trials.answer import certainty

HEADER = ("trial", "model", "length", "devices", "starts", "ends", "step", "plan")


def search_page(data: dict[str, Any]) -> Page:
    """The page of a packing; ``data`` is the command's JSON."""
    sure = certainty(data["gap"], optimal=data["optimal"])
    return Page(
        title=f"{len(data['trials'])} trials on {data['cluster']}",
        headline=data["headline"],
        lines=(
            f"All end after {format_duration(data['makespan'])}; {sure}.",
            f"{data['utilisation']:.1%} of the time of {data['devices']} devices is in use.",
        ),
        sections=(
            Section(title="Devices over time", body=gantt_figure(data["trials"], data["devices"])),
            Section(title="Trials", body=Table(header=HEADER, rows=tuple(map(_row, data["trials"])))),
        ),
        data=data,
    )


def _row(trial: dict[str, Any]) -> tuple[Cell, ...]:
    return (
        Cell(text=trial["name"]),
        Cell(text=trial["model"]),
        Cell(text=trial["length"]),
        Cell(text=str(len(trial["devices"])), value=len(trial["devices"])),
        Cell(text=format_duration(trial["start"]), value=trial["start"]),
        Cell(text=format_duration(trial["end"]), value=trial["end"]),
        Cell(text=format_seconds(trial["step_time"]), value=trial["step_time"]),
        Cell(text=trial["plan"]),
    )
