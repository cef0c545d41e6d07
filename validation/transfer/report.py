"""The report of ``simdl validate transfer``: errors per group and stratum, the weakest first."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from validation.judging.statistics import ErrorStatistics, error_sentence, error_statistics
from validation.transfer.spreads import fitted_rule

HEADER = (
    "group",
    "rows",
    "refitted",
    "fitted: median",
    "mean",
    "left out: median",
    "mean",
    "unknown: median",
)
INTERVAL_HEADER = ("rows of", "n", "covered", "median error", "median half-width")
FEWEST = 10
"""Rows that a stratum of intervals needs to be printed."""
STRATUM_HEADER = ("rows of", "n", "fitted: median", "mean", "left out: median", "mean", "unknown: median")


def group_rows(results: pd.DataFrame) -> list[tuple[str, ...]]:
    """Rows under ``HEADER``, the group with the largest left-out median first."""
    parts = [(name, part) for name, part in results.groupby("group", sort=False)]
    parts.sort(key=lambda item: -errors(item[1], "left_out").median)
    return [(str(name), *_counts(part), *_cells(part)) for name, part in parts]


def stratum_rows(results: pd.DataFrame) -> list[tuple[str, ...]]:
    """Rows under ``STRATUM_HEADER``, the weakest stratum first, then all rows."""
    parts = [(name, part) for name, part in results.groupby("stratum", sort=False)]
    parts.sort(key=lambda item: -errors(item[1], "left_out").median)
    refitted = ("all whose group was fitted on", results[results["used"]])
    return [
        (str(name), str(len(part)), *_cells(part))
        for name, part in (*parts, refitted, ("all", results))
        if len(part)
    ]


def interval_rows(results: pd.DataFrame) -> list[tuple[str, ...]]:
    """Rows under ``INTERVAL_HEADER``: strata, tables and degrees of knowledge, the least covered first."""
    parts = [
        (str(name), part)
        for column in ("stratum", "file", "knowledge")
        for name, part in results.groupby(column, sort=False)
        if len(part) >= FEWEST
    ]
    parts.sort(key=lambda item: float(item[1]["covered"].mean()))
    return [(name, str(len(part)), *_coverage_cells(part)) for name, part in (*parts, ("all", results))]


def _coverage_cells(part: pd.DataFrame) -> tuple[str, str, str]:
    found = coverage(part)
    return f"{found['covered']:.0%}", f"{found['median_error']:.1%}", f"{found['median_half_width']:.1%}"


def coverage(part: pd.DataFrame) -> dict[str, float]:
    """Share of rows within their intervals, and medians of error and half-width."""
    return {
        "covered": float(part["covered"].mean()),
        "median_error": errors(part, "left_out").median,
        "median_half_width": float(np.median(np.expm1(part["width"]))),
    }


def errors(part: pd.DataFrame, column: str) -> ErrorStatistics:
    """Errors of one kind of prediction against what was measured."""
    return error_statistics(part["measured"], part[column])


def _counts(part: pd.DataFrame) -> tuple[str, str]:
    return str(len(part)), "yes" if part["used"].any() else "no"


def _cells(part: pd.DataFrame) -> tuple[str, ...]:
    fitted, left, unknown = (errors(part, name) for name in ("shipped", "left_out", "unknown_source"))
    known = f"{unknown.median:.1%}" if unknown.n else "-"
    return (f"{fitted.median:.1%}", f"{fitted.mean:.1%}", f"{left.median:.1%}", f"{left.mean:.1%}", known)


def transfer_json(results: pd.DataFrame, grouping: str) -> dict[str, Any]:
    """The command's JSON: ``rows`` in seconds, and ``summary`` by group and by stratum, the weakest first."""
    shown = results.astype(object).where(results.notna(), None)
    told = error_statistics(results["measured"], results["left_out"])
    return {
        "headline": error_sentence(f"published rows whose {grouping} was left out of the fit", told),
        "leave_out": grouping,
        "rows": shown.to_dict("records"),
        "summary": {
            "groups": _summaries(results, "group"),
            "strata": _summaries(results, "stratum"),
            "knowledge": _summaries(results, "knowledge"),
            "overall": _summary(results),
            "interval_rule": asdict(fitted_rule(results)),
        },
    }


def _summaries(results: pd.DataFrame, column: str) -> dict[str, Any]:
    found = {str(name): _summary(part) for name, part in results.groupby(column, sort=False)}
    return dict(sorted(found.items(), key=lambda item: -item[1]["left_out"]["median"]))


def _summary(part: pd.DataFrame) -> dict[str, Any]:
    return {
        "rows": len(part),
        "fitted": asdict(errors(part, "shipped")),
        "left_out": asdict(errors(part, "left_out")),
        "unknown_source": asdict(errors(part, "unknown_source")),
        "interval": coverage(part),
    }
