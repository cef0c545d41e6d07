"""Published tables as frames of text, and results as frames."""

from collections.abc import Iterable
from dataclasses import fields
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.errors import EmptyDataError, ParserError

from readers.errors import InputError
from readers.whole import read_text
from validation.errors import MeasurementError

JSON_COLUMNS = ("file", "row", "item", "measured", "predicted", "unit", "skipped")
"""What every command of ``simdl validate`` prints of a row."""


def read_table(path: Path) -> pd.DataFrame:
    """The cells of a CSV file, stripped text, by column; the index counts rows from 1, without the header.

    Raises:
        MeasurementError: unreadable, empty, without data rows, ragged, or a column that is there twice.
    """
    try:
        text = StringIO(read_text(path, "a CSV file"))
    except InputError as error:
        raise MeasurementError(str(error)) from None
    try:
        lines = pd.read_csv(  # the Python engine tells blank cells from cells that are not there
            text,
            header=None,
            dtype=str,
            engine="python",
            keep_default_na=False,
            skip_blank_lines=False,
        )
    except EmptyDataError:
        raise MeasurementError(f"{path}: found an empty file; expected a header and rows") from None
    except ParserError as error:
        raise MeasurementError(f"{path}: {error}; expected a CSV file") from None
    header, rows = lines.iloc[0].str.strip(), lines.iloc[1:]
    repeated = header[header.duplicated()].unique()
    if len(repeated):
        raise MeasurementError(f"{path}: header: found {', '.join(repeated)} twice; expected unique columns")
    rows = rows[rows.notna().any(axis=1)]
    if rows.empty:
        raise MeasurementError(f"{path}: found a header and no rows; expected at least one measurement")
    for number, cells in rows.notna().sum(axis=1).items():
        if cells < len(header):
            raise MeasurementError(f"{path}: row {number}: found {cells} cells; expected {len(header)}")
    return rows.map(str.strip).set_axis(header, axis=1)


def numbered_rows(table: pd.DataFrame) -> Iterable[tuple[int, dict[str, str]]]:
    """Each row's number and its cells by column."""
    return zip(table.index, table.to_dict("records"), strict=True)


def frame_of(items: Iterable[Any], kind: type) -> pd.DataFrame:
    """A row per item of a dataclass, a column per field."""
    names = [field.name for field in fields(kind)]
    return pd.DataFrame([[getattr(item, name) for name in names] for item in items], columns=names)


def json_rows(results: pd.DataFrame, *more: str) -> list[dict[str, Any]]:
    """Results for JSON, with more columns than the usual ones; None where there is nothing."""
    shown = results[[*JSON_COLUMNS, *more]]
    found: list[dict[str, Any]] = shown.astype(object).where(shown.notna(), None).to_dict("records")
    return found


def counted(values: pd.Series) -> dict[str, int]:
    """How often each text occurs, the most frequent first; nothing is no text."""
    counts = values.value_counts(sort=False).sort_values(ascending=False, kind="stable")
    return {value: int(count) for value, count in counts.items()}
