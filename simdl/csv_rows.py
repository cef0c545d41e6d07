"""CSV files that users give, as columns and numbered rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from readers.csv_text import read_csv
from readers.errors import InputError
from simdl.errors import SimdlError


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRow:
    """One row.

    Attributes:
        line: of the file, from 1.
        cells: by column, without spaces around; empty where the row ends early.
        surplus: whether it has more cells than there are columns.
    """

    line: int
    cells: Mapping[str, str]
    surplus: bool


def read_csv_rows(path: str | Path) -> tuple[tuple[str, ...], tuple[CsvRow, ...]]:
    """Columns and rows; empty lines are left out.

    Raises:
        SimdlError: the file cannot be read or is no CSV in UTF-8.
    """
    try:
        columns, lines = read_csv(path)
    except InputError as error:
        raise SimdlError(str(error)) from None
    return columns, tuple(_row(line, columns, values) for line, values in lines)


def _row(line: int, columns: tuple[str, ...], values: list[str]) -> CsvRow:
    stripped = [value.strip() for value in values[: len(columns)]]
    cells = dict(zip_longest(columns, stripped, fillvalue=""))
    return CsvRow(line=line, cells=cells, surplus=len(values) > len(columns))
