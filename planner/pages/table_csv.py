"""Tables of a page as CSV: numbers in base units, the unit in the header, so that a program can read them."""

import csv
import io
import re
from collections.abc import Sequence

Entry = tuple[str, float | None]
"""The text of a cell, and the value in base units that it stands for."""
UNIT = re.compile(r"[-+]?[\d.,]+(?:e[-+]?\d+)? ?([A-Za-z%/]+)")
BASE_UNITS = ("FLOP/s", "B/s", "FLOP", "B", "s")
"""Base units as suffixes of printed ones, the longest first."""
LONG_TIMES = ("min", "h", "d", "y")


def table_csv(header: Sequence[str], rows: Sequence[Sequence[Entry]]) -> str:
    """A table as text, a line for each row."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    columns = [[row[place] for row in rows] for place, _ in enumerate(header)]
    writer.writerow(
        f"{name} [{unit}]" if (unit := base_unit(column)) else name
        for name, column in zip(header, columns, strict=True)
    )
    writer.writerows([text if value is None else value for text, value in row] for row in rows)
    return written.getvalue()


def base_unit(column: Sequence[Entry]) -> str:
    """The base unit of a column's values, read off its texts; empty where they have none or differ.

    Example:
        >>> base_unit([("12.3 ms", 0.0123), ("-", None)])
        's'
    """
    matches = (UNIT.fullmatch(text) for text, value in column if value is not None)
    found = {_base(match[1]) for match in matches if match}
    return found.pop() if len(found) == 1 else ""


def _base(unit: str) -> str:
    if unit == "%":
        return "1"
    if unit in LONG_TIMES:
        return "s"
    return next((base for base in BASE_UNITS if unit.endswith(base)), "")
