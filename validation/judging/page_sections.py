"""What the pages of `simdl validate` share: rows as points, their figures, and tables of printed text."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from hardware.errors import UnitError
from hardware.units import parse_quantity
from planner.pages.figures.accuracy import (
    END,
    Pair,
    accuracy_figure,
    error_figure,
    family_colours,
    residual_figure,
)
from planner.pages.page import Cell, Section, Table

NAMED = 3  # rows drawn at the edge that a note names


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


def error_sections(groups: Sequence[tuple[str, str, Sequence[Pair]]]) -> tuple[Section, ...]:
    """Predicted against measured, residuals and how errors are distributed; nothing without rows.

    Args:
        groups: quantity, unit and rows of each; a table has one colour in all figures.
    """
    every = [pair for _, _, pairs in groups for pair in pairs]
    colours = family_colours(every)
    sections = [
        section
        for quantity, unit, pairs in groups
        if pairs
        for section in (
            Section(
                title=f"Predicted against measured {quantity}",
                body=accuracy_figure(pairs, quantity, unit, colours),
                note=f"{len(pairs):,} row{'s' * (len(pairs) > 1)}; the band is 10 % wide on either side.",
            ),
            Section(
                title=f"Residuals of {quantity}",
                body=residual_figure(pairs, quantity, unit, colours),
                note=f"predicted / measured - 1 over what was measured. {_beyond(pairs)}",
            ),
        )
    ]
    if every:
        body = error_figure(every, colours)
        far = sum(pair.error > END for pair in every)
        beyond = f" {far:,} above 100 % stand in the last bin." if far else ""
        note = f"predicted / measured - 1.{beyond}"
        sections.append(Section(title="Distribution of errors", body=body, note=note))
    return tuple(sections)


def skipped_sections(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[Section, ...]:
    """Why rows were skipped; nothing where none was."""
    return (Section(title="Skipped rows", body=text_table(header, rows)),) if rows else ()


def _beyond(pairs: Sequence[Pair]) -> str:
    """Which rows are drawn at the edge."""
    far = sorted((pair for pair in pairs if pair.error > END), key=lambda pair: -pair.error)
    if not far:
        return "No error is above 100 %."
    named = "; ".join(f"{pair.label}: {pair.error:+.0%}" for pair in far[:NAMED])
    more = f"; {len(far) - NAMED} more" if len(far) > NAMED else ""
    verb = "rows are" if len(far) > 1 else "row is"
    return f"{len(far):,} {verb} more than 100 % too high, drawn at the edge: {named}{more}."


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table as the command prints it; numbers, percentages and quantities sort by value."""
    return Table(header=tuple(header), rows=tuple(tuple(map(_cell, row)) for row in rows))


def _cell(text: str) -> Cell:
    plain = text.replace(",", "")
    with suppress(ValueError):
        return Cell(text=text, value=float(plain.removesuffix("%")))
    for dimension in ("time", "bytes", "bandwidth"):
        with suppress(UnitError):
            return Cell(text=text, value=parse_quantity(plain, dimension))
    return Cell(text=text)
