"""The page of `simdl memory`."""

from typing import Any

from planner.console.format import format_memory, format_seconds
from planner.pages.figures.memory import front_figure
from planner.pages.page import Cell, Page, Section, Table
from planner.questions.memory import MemoryFront
from planner.questions.question import Question


def memory_page(question: Question, front: MemoryFront, data: dict[str, Any]) -> Page:
    """The page of a front; ``data`` is the command's JSON."""
    workload = question.workload
    header = ("limit", "needs", "step", "slower", "by", "plan")
    rows = tuple(map(_row, data["points"]))
    return Page(
        title=f"Memory of {workload.network.name} on {question.cluster.name}",
        headline=data["headline"],
        lines=(
            f"A device has {format_memory(front.usable)} to use.",
            f"Allowed: {', '.join(front.kinds)}.",
            *(f"assumed: {sentence}" for sentence in question.assumptions),
        ),
        sections=(
            Section(title="Step time against memory", body=front_figure(data["points"])),
            Section(title="Table", body=Table(header=header, rows=rows)),
        ),
        data=data,
    )


def _row(point: dict[str, Any]) -> tuple[Cell, ...]:
    return (
        Cell(text=format_memory(point["limit"]), value=point["limit"]),
        Cell(text=format_memory(point["peak_memory"]), value=point["peak_memory"]),
        Cell(text=format_seconds(point["step_time"]), value=point["step_time"]),
        Cell(text=f"{point['slower']:.1%}", value=point["slower"]),
        Cell(text=point["method"]),
        Cell(text=point["strategy"]["savers"] or "keep all"),
    )
