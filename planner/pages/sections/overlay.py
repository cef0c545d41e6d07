"""The page of `simdl overlay`: a measured step next to a simulated one."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from planner.console.format import format_seconds
from planner.kineto.activities import Activity
from planner.kineto.kinds import IDLE
from planner.kineto.measured_steps import MeasuredStep, MeasuredTrace
from planner.overlays.overlay import Category, Overlay, typical_step
from planner.overlays.simulated_activities import simulated_activities
from planner.pages.figures.overlay import MEASURED, SIMULATED, Lane, categories_figure, lanes_figure
from planner.pages.page import Cell, Page, Section, Table
from planner.questions.answer_again import ask_again
from planner.questions.answer_file import Answer
from simdl.errors import SimdlError

HEADER = ("category", "measured", "share", "simulated", "share", "simulated - measured")
LANES = 8  # of the measured step, those with most work


def overlay_page(
    answer: Answer, trace: MeasuredTrace, result: Overlay, data: dict[str, Any], *, rank: int
) -> Page:
    """The page of a trace next to an answer, which is simulated once more for its timeline.

    Raises:
        SimdlError: the answer has no such rank, or cannot be simulated again.
    """
    again = ask_again(answer)
    if rank >= again.report.strategy.pp:
        raise SimdlError(f"rank {rank}: expected 0 to {again.report.strategy.pp - 1}")
    step = typical_step(trace)
    simulated = simulated_activities(again.step, again.timeline, rank=rank)
    lanes = [*_measured_lanes(step, trace), *_lanes(SIMULATED, simulated, 0.0)]
    times = ", ".join(
        f"step {entry['number']}: {format_seconds(entry['step_time'])}" for entry in data["steps"]
    )
    left = f" Step {trace.left_out[0]} is left out as warm-up." if trace.left_out else ""
    return Page(
        title=f"{answer.question.model} on {answer.question.cluster}, measured and simulated",
        headline=data["headline"],
        lines=(
            f"{_pair(result)}: {result.simulated / result.measured - 1:+.1%}. Measured steps: {times}.{left}",
        ),
        sections=(
            Section(
                title="By category",
                body=categories_figure([(c.name, c.measured, c.simulated) for c in result.categories]),
                note="Measured: mean over steps; simulated: mean over pipeline ranks. Every bar adds up to "
                "the step.",
            ),
            Section(title="Table", body=Table(header=HEADER, rows=_rows(result))),
            Section(
                title="Both timelines",
                body=lanes_figure(lanes),
                wide=True,
                note=f"Measured: step {step.number}, of median duration. Simulated: pipeline rank {rank}, "
                "its kernels laid out in launch order within each pass. Where a lane is empty it is idle.",
            ),
        ),
        data=data,
    )


def _measured_lanes(step: MeasuredStep, trace: MeasuredTrace) -> list[Lane]:
    """The busiest lanes of a step, without what only keeps books."""
    what = "stream" if trace.on_device else "thread"
    working = [item for item in step.activities if item.kind != IDLE]
    lanes = _lanes(f"{MEASURED}, {what}", working, step.start)
    busy = sorted(lanes, key=lambda lane: -sum(item.end - item.start for item in lane.activities))[:LANES]
    return [lane for lane in lanes if lane in busy]


def _lanes(place: str, activities: Sequence[Activity], origin: float) -> list[Lane]:
    found: dict[str, list[Activity]] = defaultdict(list)
    for item in activities:
        moved = item._replace(start=item.start - origin, end=item.end - origin)
        found[" ".join(item.lane[1:])].append(moved)
    return [Lane(place=place, name=name, activities=tuple(items)) for name, items in sorted(found.items())]


def _rows(result: Overlay) -> tuple[tuple[Cell, ...], ...]:
    whole = Category(name="step time", measured=result.measured, simulated=result.simulated)
    return tuple(
        (
            Cell(text=category.name),
            Cell(text=format_seconds(category.measured), value=category.measured),
            _share(category.measured, result.measured),
            Cell(text=format_seconds(category.simulated), value=category.simulated),
            _share(category.simulated, result.simulated),
            _change(category.simulated - category.measured),
        )
        for category in (*result.categories, whole)
    )


def _pair(result: Overlay) -> str:
    return f"Measured {format_seconds(result.measured)}, simulated {format_seconds(result.simulated)}"


def _share(seconds: float, step: float) -> Cell:
    return Cell(text=f"{seconds / step:.1%}", value=seconds / step)


def _change(seconds: float) -> Cell:
    return Cell(text=f"{'-' if seconds < 0 else '+'}{format_seconds(abs(seconds))}", value=seconds)
