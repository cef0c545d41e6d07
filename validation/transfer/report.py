"""The report of ``simdl validate transfer``: errors per group and stratum, the weakest first."""

from dataclasses import asdict
from typing import Any

import pandas as pd

from validation.judging.statistics import ErrorStatistics, error_statistics

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
    return {
        "leave_out": grouping,
        "rows": shown.to_dict("records"),
        "summary": {
            "groups": _summaries(results, "group"),
            "strata": _summaries(results, "stratum"),
            "overall": _summary(results),
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
    }
