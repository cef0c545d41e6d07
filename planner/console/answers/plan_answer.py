"""The answer of `simdl plan` by key: the ranking, and what was asked for beside it."""

from typing import Any

from planner.console.answers.headline import plan_sentence
from planner.console.answers.input_report import input_clauses, input_json
from planner.console.answers.money_report import add_money, comparison_json, money_clauses
from planner.console.answers.report_json import plan_json
from planner.money.answer import Answer


def plan_answer(found: Answer, *, wall_time: float) -> dict[str, Any]:
    """The answer by key, in base units; the keys of pages and launch files are there and empty.

    Args:
        found: the plans of a question under its criteria.
        wall_time: [s] that whoever asked has waited.

    Raises:
        SimdlError, HardwareError: a price or a power that is needed is not known.
        WorkloadError: the network's samples are not made of what the data set holds.
    """
    question, result = found.question, found.result
    data = {**plan_json(question, result, wall_time=wall_time), "smaller_clusters": None}
    for told, plan in zip(data["plans"], result.plans, strict=True):
        told.update(input_json(question, plan.report))
    add_money(data, question, result, found.criteria)
    if found.batches is not None:
        data["objective"] = found.batches
    if found.comparison is not None:
        data |= comparison_json(found.comparison)
    if result.plans:
        data["launch"] = None
    first = data["plans"][0] if data["plans"] else {}
    also = [*input_clauses(first), *money_clauses(data, found.criteria)]
    return data | {"headline": plan_sentence(question, result, tied=data["ties"], also=also)}
