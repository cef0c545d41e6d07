"""JSON forms of reports and plans: the keys of the command line's contract, in base units."""

from dataclasses import asdict
from typing import Any

from planner.plan import PlanResult
from planner.question import Question
from simdl.report import StepReport


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
        "memory_bound_fraction": report.memory_bound_fraction,
        "bubble_fraction": report.bubble_fraction,
        "exposed_communication": report.exposed_communication,
        "strategy": asdict(report.strategy),
        "feasible": report.feasible,
        "reasons": list(report.reasons),
        "warnings": list(report.warnings),
        "provenance": dict(report.provenance),
    }


def plan_json(question: Question, result: PlanResult) -> dict[str, Any]:
    """A plan result by key, plans best first."""
    return {
        "plans": [{"bound": plan.bound, **report_json(plan.report)} for plan in result.plans],
        "space": {
            "candidates": result.candidates,
            "feasible": result.feasible,
            "simulated": result.simulated,
        },
        "certified": result.certified,
        "wall_time": result.wall_time,
        "reasons": list(result.reasons),
        "why": list(result.why),
        "assumptions": list(question.assumptions),
    }
