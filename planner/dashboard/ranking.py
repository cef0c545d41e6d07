"""Rows of a ranking: what a plan's table says of a strategy, while the search goes on and after it."""

from collections.abc import Iterable
from dataclasses import dataclass

from hardware.units import format_quantity
from planner.console.format import format_rate, format_seconds, format_strategy
from planner.dashboard.money import costs_of
from planner.dashboard.state import Values
from planner.questions.question import Question
from simdl.report.step_report import StepReport
from simdl.step.strategy import Strategy

COSTS = ("training time", "USD", "kWh")
"""Amounts of :mod:`planner.dashboard.money` that have a column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One ranked strategy: the strategy, and its cells by name of column."""

    strategy: Strategy
    cells: dict[str, str]


def ranking_rows(reports: Iterable[StepReport], question: Question, criteria: Values) -> tuple[Row, ...]:
    """The rows of reports, in their order."""
    return tuple(_row(report, question, criteria) for report in reports)


def _row(report: StepReport, question: Question, criteria: Values) -> Row:
    tokens = question.workload.network.tokens > 1
    rate = report.tokens_per_s if tokens else report.samples_per_s
    costs = dict(costs_of(report, question, criteria).pairs) if criteria else {}
    return Row(
        strategy=report.strategy,
        cells={
            "strategy": format_strategy(report.strategy),
            "step": format_seconds(report.step_time),
            "tokens/s" if tokens else "samples/s": format_rate(rate),
            "MFU": f"{report.mfu:.1%}",
            "memory": format_quantity(report.peak_memory, "bytes"),
            **{name: costs[name] for name in COSTS if name in costs},
        },
    )
