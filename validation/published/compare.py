"""Compare predictions with measurements: errors, ranking and memory, per table and over all of them.

The relative error of a row is predicted / measured - 1 in the row's unit (seconds of a step, or samples per
second).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from validation.judging.statistics import ErrorStatistics, error_statistics
from validation.judging.tables import counted
from validation.published.memory_check import MemoryCheck, check_memory
from validation.published.ranking import RankingSummary, rank_alternatives


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What became of a set of rows.

    Attributes:
        rows, predicted, skipped: counts.
        skip_reasons: reason to number of rows, most frequent first.
        assumed_rows: predicted rows that needed at least one default.
        assumptions: default to number of predicted rows that took it, most frequent first.
        errors: of all predicted rows.
        fitted, held_out: of runs that a number behind the prediction was fitted on, and of others.
        ranking: of alternatives.
        memory: of rows that print memory or failed for lack of it.
    """

    rows: int
    predicted: int
    skipped: int
    skip_reasons: Mapping[str, int]
    assumed_rows: int
    assumptions: Mapping[str, int]
    errors: ErrorStatistics
    fitted: ErrorStatistics
    held_out: ErrorStatistics
    ranking: RankingSummary
    memory: MemoryCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Sections per table in the order read, the section of all rows, and the warnings."""

    files: Mapping[str, Section]
    overall: Section
    warnings: tuple[str, ...]


def compare(results: pd.DataFrame) -> Comparison:
    """Compare every row of a frame of results; an empty one gives empty sections.

    Rows that are ``implied`` count where memory is checked, and nowhere else.
    """
    return Comparison(
        files={file: compare_section(part) for file, part in results.groupby("file", sort=False)},
        overall=compare_section(results),
        warnings=tuple(results["warnings"].explode().dropna().unique()),
    )


def compare_section(results: pd.DataFrame) -> Section:
    """Compare one set of rows."""
    everything, results = results, results[~results["implied"]]
    scored = results[results["predicted"].notna()]
    taken = scored["assumptions"].explode().dropna()
    return Section(
        rows=len(results),
        predicted=len(scored),
        skipped=len(results) - len(scored),
        skip_reasons=counted(results["skipped"]),
        assumed_rows=taken.index.nunique(),
        assumptions=counted(taken),
        errors=_errors(scored),
        fitted=_errors(scored[scored["fitted"]]),
        held_out=_errors(scored[~scored["fitted"]]),
        ranking=rank_alternatives(scored),
        memory=check_memory(everything),
    )


def _errors(scored: pd.DataFrame) -> ErrorStatistics:
    return error_statistics(scored["measured"], scored["predicted"])
