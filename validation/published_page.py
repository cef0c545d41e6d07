"""The page of `simdl validate published`: predicted against measured, and how the errors are distributed."""

from collections.abc import Sequence
from typing import Any

from planner.figures.accuracy import Pair, accuracy_figure, error_figure
from planner.report_page import Cell, Page, Section, Table
from validation.compare import Comparison
from validation.published_report import (
    ERROR_HEADER,
    FIT_HEADER,
    REASON_HEADER,
    error_rows,
    fit_rows,
    reason_rows,
)

QUANTITIES = {"s": "step time", "samples/s": "throughput", "tokens/s": "throughput"}


def published_page(comparison: Comparison, data: dict[str, Any]) -> Page:
    """The page of a comparison; ``data`` is the command's JSON, whose rows are the points."""
    overall = comparison.overall
    pairs = {unit: _pairs(data["rows"], unit) for unit in QUANTITIES}
    every = [pair for group in pairs.values() for pair in group]
    figures = [
        Section(
            title=f"Predicted against measured {QUANTITIES[unit]} [{unit}]",
            body=accuracy_figure(group, QUANTITIES[unit], unit),
            note=f"{len(group)} rows; the band is 10 % wide on either side.",
        )
        for unit, group in pairs.items()
        if group
    ]
    if every:
        note = "predicted / measured - 1; errors above 100 % are counted in the last bin."
        figures.append(Section(title="Distribution of errors", body=error_figure(every), note=note))
    return Page(
        title="Published training runs, predicted",
        lines=(
            f"{overall.rows} rows, {overall.predicted} predicted, {overall.skipped} skipped.",
            *(f"warning: {warning}" for warning in comparison.warnings),
        ),
        sections=(
            Section(title="Relative errors by table", body=_table(ERROR_HEADER, error_rows(comparison))),
            Section(title="Rows by use of their table", body=_table(FIT_HEADER, fit_rows(comparison))),
            *figures,
            Section(title="Skipped rows", body=_table(REASON_HEADER, reason_rows(comparison))),
        ),
        data=data,
    )


def _pairs(rows: Sequence[dict[str, Any]], unit: str) -> list[Pair]:
    return [
        Pair(
            family=row["file"].removesuffix(".csv"),
            label=f"{row['file']} row {row['row']}, {row['item']}",
            measured=row["measured"],
            predicted=row["predicted"],
        )
        for row in rows
        if row["unit"] == unit and row["predicted"] is not None and row["measured"]
    ]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    return Table(header=tuple(header), rows=tuple(tuple(map(_cell, row)) for row in rows))


def _cell(text: str) -> Cell:
    """Numbers and percentages sort by value."""
    try:
        return Cell(text=text, value=float(text.removesuffix("%")))
    except ValueError:
        return Cell(text=text)
