"""JSON forms of reports and plans: the keys of the command line's contract, in base units.

An answer carries the number of its version and the question with everything that was assumed, so that a
later command can tell whether it can read it, and ask again.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from planner.console.answers.headline import plan_sentence, setting_json, step_sentence
from planner.console.answers.input_report import input_clauses, input_json
from planner.console.options.training_options import training_clause
from planner.per_layer.report import layer_plan_json
from planner.questions.answer_file import VERSION
from planner.questions.question import Question
from planner.questions.strategy_file import strategy_json
from planner.search.plan import PlanResult
from simdl.report.operator_times import longest_operators
from simdl.report.step_report import StepReport
from simdl.report.ties import tied_with_the_first

OPERATORS = 100
"""Operators of the critical path that an answer names; the others are added up by phase and kind."""


def simulation_json(
    question: Question, report: StepReport, *, chosen: str = "", training: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The answer of `simdl simulate`: a report, the question it answers, and both in a sentence.

    Args:
        question: what was asked.
        report: of the step.
        chosen: what was chosen of the strategy and why; empty where nothing was left open.
        training: by key, where one was asked for
        (:func:`planner.console.options.training_options.training_json`).
    """
    inputs = input_json(question, report)
    also = [*input_clauses(inputs), *([] if training is None else [training_clause(training)])]
    return {
        **_answered(question),
        **report_json(report),
        **inputs,
        "assumptions": list(question.assumptions),
        "headline": step_sentence(question, report, also=also) if report.feasible else None,
        "chosen": chosen or None,
        **({} if training is None else {"training": dict(training)}),
    }


def _answered(question: Question) -> dict[str, Any]:
    return {"version": VERSION, "question": asdict(question.options), **setting_json(question)}


def report_json(report: StepReport) -> dict[str, Any]:
    """A report by key; mappings and tuples become plain objects and lists."""
    return {
        "step_time": report.step_time,
        "samples_per_s": report.samples_per_s,
        "tokens_per_s": report.tokens_per_s,
        "model_flops": report.model_flops,
        "mfu": report.mfu,
        "hfu": report.hfu,
        "flop_rate_per_device": report.flop_rate_per_device,
        "peak_memory": report.peak_memory,
        "memory": dict(report.memory),
        "breakdown": dict(report.breakdown),
        "critical_path": dict(report.critical_path),
        "critical_operators": [
            asdict(operator) for operator in longest_operators(report.critical_operators, limit=OPERATORS)
        ],
        "kernels": dict(report.kernels),
        "communication": [asdict(use) for use in report.communication],
        "memory_bound_fraction": report.memory_bound_fraction,
        "bubble_fraction": report.bubble_fraction,
        "exposed_communication": report.exposed_communication,
        "strategy": strategy_json(report.strategy),
        "feasible": report.feasible,
        "reasons": list(report.reasons),
        "warnings": list(report.warnings),
        "provenance": dict(report.provenance),
        "interval": asdict(report.interval),
    }


def ties(result: PlanResult) -> int:
    """How many plans, from the first on, cannot be told from the first; 0 without plans."""
    return tied_with_the_first([plan.report for plan in result.plans])


def plan_json(question: Question, result: PlanResult, *, wall_time: float) -> dict[str, Any]:
    """A plan result by key, plans best first.

    Args:
        question: what was asked.
        result: the ranked strategies.
        wall_time: [s] that whoever asked has waited for the answer.
    """
    return {
        **_answered(question),
        "plans": [
            {"bound": plan.bound, "expected_regret": plan.regret, **report_json(plan.report)}
            for plan in result.plans
        ],
        "space": {
            "candidates": result.candidates,
            "feasible": result.feasible,
            "simulated": result.simulated,
        },
        "ties": ties(result),
        "certified": result.certified,
        "certified_over": result.certified_over,
        "layerwise": layer_plan_json(result),
        "wall_time": wall_time,
        "reasons": list(result.reasons),
        "why": list(result.why),
        "assumptions": list(question.assumptions),
        "headline": plan_sentence(question, result, tied=ties(result)),
    }
