"""Money, hours and energy of a simulated step, as `simdl plan` tells them; no file of prices is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hardware.errors import HardwareError
from hardware.units import format_quantity
from planner.console.answers.money_report import money_clauses, training_cells
from planner.console.format import format_rate
from planner.dashboard.state import Values
from planner.money.criteria import Criteria, CriteriaAsked, read_criteria
from planner.money.outcome import find_outcome, horizon_json, outcome_notes, rates_json
from planner.money.price import EXPECTED, is_plain_price
from planner.questions.question import Question
from simdl.errors import SimdlError
from simdl.report.step_report import StepReport
from workloads.errors import WorkloadError


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a step comes to, in words.

    Attributes:
        pairs: names and amounts.
        clauses: of the sentence that says what to run.
        notes: what that assumes.
        problem: why it is not known; empty where it is.
    """

    pairs: tuple[tuple[str, str], ...]
    clauses: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""


def page_criteria(given: Values, question: Question) -> Criteria:
    """The criteria of a page's state.

    Raises:
        SimdlError, WorkloadError: they cannot be read, or do not go together; a price is a number here.
    """
    price = given.get("price")
    if price is not None and not is_plain_price(price):
        raise SimdlError(f"price: found {price!r}; {EXPECTED.partition(', or ')[0]}")
    asked = CriteriaAsked(price=price, horizon=given.get("horizon"), dataset=given.get("dataset"))
    return read_criteria(asked, question)


def costs_of(report: StepReport, question: Question, given: Values) -> Costs:
    """Power, and what was asked for: time, device-hours, USD and kWh of the training, or USD an hour."""
    try:
        criteria = page_criteria(given, question)
        outcome = find_outcome(report, question, criteria)
    except (SimdlError, HardwareError, WorkloadError) as error:
        return Costs(pairs=(), problem=str(error).replace("--", ""))
    rates = rates_json(outcome)
    plan: dict[str, Any] = {"rates": rates}
    if criteria.horizon is not None:
        plan["horizon"] = horizon_json(outcome)
    notes = outcome_notes(outcome, question, criteria) if given else ()
    return Costs(
        pairs=tuple(_pairs(plan, criteria)),
        clauses=tuple(money_clauses({"plans": [plan]}, criteria)),
        notes=tuple(notes),
    )


def _pairs(plan: dict[str, Any], criteria: Criteria) -> Iterator[tuple[str, str]]:
    rates = plan["rates"]
    if "horizon" in plan:
        yield from ((name, text) for name, text in training_cells(plan["horizon"]).items() if text)
    if criteria.prices is not None:
        yield "USD/h", f"{rates['cost_per_hour']:,.2f}"
        unit = "tokens" if rates["tokens_per_dollar"] is not None else "samples"
        yield f"{unit}/USD", format_rate(rates[f"{unit}_per_dollar"])
    if rates["power"] is not None:
        yield "power", format_quantity(rates["power"], "power")
        yield "energy/sample", format_quantity(rates["energy_per_sample"], "energy")
