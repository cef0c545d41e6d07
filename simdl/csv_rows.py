"""CSV files that users give, as columns and numbered rows."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

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
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            columns = tuple(next(reader, ()))
            rows = tuple(_row(reader.line_num, columns, values) for values in reader if values)
    except OSError as error:
        raise SimdlError(f"{path}: {error.strerror}; expected a CSV file in UTF-8") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SimdlError(f"{path}: {error}; expected a CSV file in UTF-8") from None
    return columns, rows


def _row(line: int, columns: tuple[str, ...], values: list[str]) -> CsvRow:
    stripped = [value.strip() for value in values[: len(columns)]]
    cells = dict(zip_longest(columns, stripped, fillvalue=""))
    return CsvRow(line=line, cells=cells, surplus=len(values) > len(columns))
