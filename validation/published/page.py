"""The page of `simdl validate published`: predicted against measured, and how the errors are distributed."""

from typing import Any

from planner.pages.page import Page, Section
from validation.judging.page_sections import error_sections, row_pairs, skipped_sections, text_table
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
    groups = [(quantity, unit, row_pairs(data["rows"], unit)) for unit, quantity in QUANTITIES.items()]
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
            *error_sections(groups),
            *skipped_sections(REASON_HEADER, reason_rows(comparison)),
        ),
        data=data,
    )
