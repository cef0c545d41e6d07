"""The table of results: one row per question in the order of the grid, as CSV or Parquet."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from planner.sweep.row import COLUMNS
from simdl.atomic_write import write_atomically
from simdl.errors import SimdlError

FORMATS = ("csv", "parquet")


def numbered(rows: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows in the order of the grid, every column in each, numbered from 1; None where there is nothing."""
    return [
        {"row": place + 1} | {column: row.get(column) for column in COLUMNS[1:]}
        for place, row in sorted(rows.items())
    ]


def check_format(name: str) -> None:
    """Refuse a format whose library is missing, before any work is done for it.

    Raises:
        SimdlError: Parquet without pyarrow.
    """
    if name == "parquet":
        try:
            import pyarrow.parquet  # noqa: F401, PLC0415 - an extra
        except ImportError as error:
            raise SimdlError(
                f"--format parquet: pyarrow cannot be imported ({error}); expected the extra parquet: "
                "pip install 'simdl[parquet]', or --format csv"
            ) from None


def write_table(folder: Path, rows: Sequence[Mapping[str, Any]], name: str) -> Path:
    """Write the rows whole.

    Args:
        folder: where ``results.csv`` or ``results.parquet`` goes.
        rows: as of :func:`numbered`.
        name: of ``FORMATS``.

    Raises:
        SimdlError: it cannot be written.
    """
    path = folder / f"results.{name}"
    write_atomically(path, _csv(rows) if name == "csv" else _parquet(rows), what="table of results")
    return path


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return file.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def _parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    from planner.sweep.frame import rows_frame  # noqa: PLC0415 - pandas, only where it is asked for

    file = io.BytesIO()
    rows_frame(rows).to_parquet(file, index=False)
    return file.getvalue()
