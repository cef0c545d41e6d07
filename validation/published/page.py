"""The page of `simdl validate published`: predicted against measured, and how the errors are distributed."""

from typing import Any

from planner.pages.page import Page, Section
from validation.judging.page_sections import accuracy_section, error_section, row_pairs, text_table
from validation.published.compare import Comparison
from validation.published.report import (
    ERROR_HEADER,
    FIT_HEADER,
    REASON_HEADER,
    error_rows,
    fit_rows,
    reason_rows,
)

QUANTITIES = {
    "s": "step time",
    "samples/s": "throughput",
    "tokens/s": "throughput",
    "frames/s": "throughput",
    "sound samples/s": "throughput",
}


def published_page(comparison: Comparison, data: dict[str, Any]) -> Page:
    """The page of a comparison; ``data`` is the command's JSON, whose rows are the points."""
    overall = comparison.overall
    pairs = {unit: row_pairs(data["rows"], unit) for unit in QUANTITIES}
    figures = [accuracy_section(group, QUANTITIES[unit], unit) for unit, group in pairs.items() if group]
    if every := [pair for group in pairs.values() for pair in group]:
        figures.append(error_section(every))
    return Page(
        title="Published training runs, predicted",
        headline=data["headline"],
        lines=(
            f"{overall.rows} rows, {overall.predicted} predicted, {overall.skipped} skipped.",
            *(f"warning: {warning}" for warning in comparison.warnings),
        ),
        sections=(
            Section(title="Relative errors by table", body=text_table(ERROR_HEADER, error_rows(comparison))),
            Section(title="Rows by use of their table", body=text_table(FIT_HEADER, fit_rows(comparison))),
            *figures,
            Section(title="Skipped rows", body=text_table(REASON_HEADER, reason_rows(comparison))),
        ),
        data=data,
    )
