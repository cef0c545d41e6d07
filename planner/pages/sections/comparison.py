"""The sections that compare two steps of one question side by side."""

from planner.pages.figures.shares import breakdown_figure, memory_parts_figure
from planner.pages.page import Cell, Section, Table
from planner.questions.question import Question
from planner.reasons.comparison import HEADER, comparison_rows, reported_step
from simdl.memory.needs import usable_memory
from simdl.report.step_report import StepReport


def comparison_sections(question: Question, one: StepReport, two: StepReport) -> tuple[Section, ...]:
    """The table of `simdl diff`, and time and memory of A and B as bars."""
    rows = comparison_rows(reported_step(one), reported_step(two))
    usable = usable_memory(question.stack, question.cluster.device)
    return (
        Section(
            title="Time by cause",
            body=Table(header=HEADER, rows=tuple(tuple(Cell(text=text) for text in row) for row in rows)),
        ),
        Section(
            title="Where the time goes",
            body=breakdown_figure([("A", one.breakdown), ("B", two.breakdown)]),
            note="Mean over ranks; every bar adds up to the step time.",
        ),
        Section(
            title="Memory of the fullest device",
            body=memory_parts_figure([("A", one.memory), ("B", two.memory)], usable),
        ),
    )
