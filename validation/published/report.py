"""The report of ``simdl validate published``: JSON with stable keys, and the rows of its tables."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from hardware.units import format_quantity
from validation.judging.statistics import ErrorStatistics, error_sentence
from validation.judging.tables import json_rows
from validation.published.compare import Comparison, Section
from validation.published.memory_check import wrong_rows

ERROR_HEADER = ("table", "rows", "predicted", "skipped", "assumed", "mean", "median", "p90", "max", "bias")
RANKING_HEADER = (
    "table",
    "questions",
    "rows",
    "rank correlation",
    "mean regret",
    "max regret",
    "pairs told apart",
    "in order",
)
FIT_HEADER = ("rows", "n", "mean", "median", "p90", "max", "bias")
MEMORY_HEADER = (
    "table",
    "ran: predicted to fit",
    "out of memory: predicted",
    "peaks",
    "median error",
    "bias",
)
WRONG_HEADER = ("table", "row", "what happened", "predicted to need", "item")
REASON_HEADER = ("table", "rows", "skipped because")
OVERALL = "overall"
_UNREGISTERED = re.compile(r"network (.+) is not registered")
_FEW = 8  # so many unregistered networks of a table are printed in one line


def report_json(
    results: pd.DataFrame, comparison: Comparison, skipped_files: Mapping[str, str]
) -> dict[str, Any]:
    """The command's JSON: ``rows`` (``row`` is the data row counted from 1) and ``summary``."""
    overall = comparison.overall
    return {
        "headline": error_sentence("published rows", overall.errors, skipped=overall.skipped),
        "rows": json_rows(results[~results["implied"]]),
        "summary": {
            "overall": asdict(comparison.overall),
            "files": {file: asdict(section) for file, section in comparison.files.items()},
            "skipped_files": dict(skipped_files),
            "memory_judged_wrongly": _wrong_json(results),
            "warnings": list(comparison.warnings),
        },
    }


def error_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Rows under ``ERROR_HEADER``: one per table, the weakest median first, then all of them."""
    sections = _sections(comparison)
    files = sorted(sections[: len(comparison.files)], key=lambda named: _weakness(named[1]), reverse=True)
    return [_error_row(name, section) for name, section in [*files, *sections[len(files) :]]]


def _weakness(section: Section) -> float:
    return section.errors.median if section.errors.n else -1.0


def fit_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Rows under ``FIT_HEADER``: those the stacks were fitted on, and those they were not."""
    overall = comparison.overall
    parts = (("fitted on", overall.fitted), ("not fitted on", overall.held_out))
    return [(name, str(part.n), *format_errors(part)) for name, part in parts]


def ranking_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Rows under ``RANKING_HEADER`` of tables with at least one question."""
    return [
        (
            name,
            str(section.ranking.groups),
            str(section.ranking.rows),
            "-" if section.ranking.mean_correlation is None else f"{section.ranking.mean_correlation:.3f}",
            format_share(section.ranking.mean_regret),
            format_share(section.ranking.max_regret),
            f"{section.ranking.apart} of {section.ranking.pairs}",
            f"{section.ranking.in_order:.0%}" if section.ranking.apart else "-",
        )
        for name, section in _sections(comparison)
        if section.ranking.groups
    ]


def memory_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Rows under ``MEMORY_HEADER`` of tables with anything simulated."""
    return [
        (
            name,
            f"{section.memory.ran_predicted} of {section.memory.ran}",
            f"{section.memory.failed_predicted} of {section.memory.failed}",
            str(section.memory.peaks.n),
            format_share(section.memory.peaks.median) if section.memory.peaks.n else "-",
            f"{section.memory.peaks.bias:+.1%}" if section.memory.peaks.n else "-",
        )
        for name, section in _sections(comparison)
        if section.memory.ran or section.memory.failed or section.memory.peaks.n
    ]


def _wrong_json(results: pd.DataFrame) -> list[dict[str, Any]]:
    columns = ["file", "row", "outcome", "implied", "predicted_memory"]
    found: list[dict[str, Any]] = wrong_rows(results)[columns].to_dict("records")
    return found


def wrong_memory_rows(results: pd.DataFrame) -> list[tuple[str, ...]]:
    """Rows under ``WRONG_HEADER``; a failure that a smaller printed batch implies says so."""
    return [
        (
            cells["file"],
            str(cells["row"]),
            cells["outcome"] + (" at the next larger batch" if cells["implied"] else ""),
            format_quantity(cells["predicted_memory"], "bytes"),
            cells["item"],
        )
        for cells in wrong_rows(results).to_dict("records")
    ]


def reason_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Rows under ``REASON_HEADER``: skipped rows of each table by reason."""
    return [
        (file, str(count), reason)
        for file, section in comparison.files.items()
        for reason, count in _gathered(section.skip_reasons).items()
    ]


def _gathered(reasons: Mapping[str, int]) -> dict[str, int]:
    missing = {reason: count for reason, count in reasons.items() if _UNREGISTERED.fullmatch(reason)}
    if len(missing) < _FEW:
        return dict(reasons)
    names = ", ".join(_UNREGISTERED.sub(r"\1", reason) for reason in missing)
    kept = {reason: count for reason, count in reasons.items() if reason not in missing}
    return kept | {f"{len(missing)} networks are not registered: {names}": sum(missing.values())}


def format_errors(errors: ErrorStatistics) -> tuple[str, ...]:
    """Mean, median, 90th percentile and maximum absolute error, and signed bias, in percent."""
    if not errors.n:
        return ("-",) * 5
    sizes = (errors.mean, errors.median, errors.p90, errors.max)
    return (*map(format_share, sizes), f"{errors.bias:+.1%}")


def format_share(share: float) -> str:
    """A fraction in percent."""
    return f"{share:.1%}"


def _sections(comparison: Comparison) -> list[tuple[str, Section]]:
    sections = list(comparison.files.items())
    return [*sections, (OVERALL, comparison.overall)] if len(sections) > 1 else sections


def _error_row(name: str, section: Section) -> tuple[str, ...]:
    counts = (section.rows, section.predicted, section.skipped, section.assumed_rows)
    return (name, *map(str, counts), *format_errors(section.errors))
