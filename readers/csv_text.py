"""CSV as people hand it in: columns, and rows with their lines."""

import csv
from io import StringIO
from pathlib import Path

from readers.errors import InputError
from readers.whole import read_text

EXPECTED = "a CSV file in UTF-8"
Line = tuple[int, list[str]]
"""Number of a line, from 1, and its cells."""


def read_csv(path: str | Path) -> tuple[tuple[str, ...], list[Line]]:
    """Columns, and rows that are not empty.

    Raises:
        InputError: not readable, too large or no CSV.
    """
    reader = csv.reader(StringIO(read_text(path, EXPECTED), newline=""))
    try:
        columns = tuple(next(reader, ()))
        return columns, [(reader.line_num, values) for values in reader if values]
    except csv.Error as error:
        raise InputError(f"{path}: {error}; expected {EXPECTED}") from None
