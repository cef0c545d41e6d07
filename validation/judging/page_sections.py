"""What the pages of `simdl validate` share: rows as points, their figures, and tables of printed text."""

from collections.abc import Mapping, Sequence
from typing import Any

from planner.pages.figures.accuracy import Pair, accuracy_figure, error_figure
from planner.pages.page import Cell, Section, Table


def row_pairs(rows: Sequence[Mapping[str, Any]], unit: str) -> list[Pair]:
    """The scored rows of a command's JSON in one unit, by table."""
    return [
        Pair(
            family=row["file"].removesuffix(".csv"),
            label=f"{row['file']} row {row['row']}, {row['item']}",
            measured=row["measured"],
            predicted=row["predicted"],
        )
        for row in rows
        if row["unit"] == unit and row["predicted"] is not None and row["measured"] and row["skipped"] is None
    ]


def accuracy_section(pairs: Sequence[Pair], quantity: str, unit: str) -> Section:
    """Predicted against measured, log-log, with the band of 10 %."""
    return Section(
        title=f"Predicted against measured {quantity} [{unit}]",
        body=accuracy_figure(pairs, quantity, unit),
        note=f"{len(pairs)} rows; the band is 10 % wide on either side.",
    )


def error_section(pairs: Sequence[Pair]) -> Section:
    """How the relative errors are distributed."""
    note = "predicted / measured - 1; errors above 100 % are counted in the last bin."
    return Section(title="Distribution of errors", body=error_figure(pairs), note=note)


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table as the command prints it; numbers and percentages sort by value."""
    return Table(header=tuple(header), rows=tuple(tuple(map(_cell, row)) for row in rows))


def _cell(text: str) -> Cell:
    try:
        return Cell(text=text, value=float(text.removesuffix("%")))
    except ValueError:
        return Cell(text=text)
