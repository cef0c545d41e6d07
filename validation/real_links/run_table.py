"""A run on shaped links as a CSV file: one row a repetition, with the run's conditions beside each."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from simdl.atomic_write import write_atomically
from simdl.csv_rows import CsvRow, read_csv_rows
from simdl.errors import SimdlError
from validation.errors import MeasurementError
from validation.real_links.link_run import Conditions, LinkRun, Repetition

CONDITIONS = tuple(field.name for field in fields(Conditions))
COLUMNS = (*CONDITIONS, *(field.name for field in fields(Repetition)))
COUNTS = frozenset({"cores", "ranks", "nbytes"})
QUANTITIES = frozenset({"rate", "delay", "latency", "time"})
MAY_BE_ZERO = frozenset({"delay"})


def write_run(run: LinkRun, path: Path) -> None:
    """Write every repetition, whole or not at all.

    Raises:
        SimdlError: the path cannot be written.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    conditions = [getattr(run.conditions, name) for name in CONDITIONS]
    for each in run.repetitions:
        table.writerow([*conditions, each.transport, each.algorithm, each.nbytes, f"{each.time:.9f}"])
    write_atomically(path, out.getvalue(), what="measurements")


def load_run(path: Path) -> LinkRun:
    """Read a run back.

    Raises:
        MeasurementError: the file cannot be read or is no such table; says where.
    """
    try:
        columns, rows = read_csv_rows(path)
    except SimdlError as error:
        raise MeasurementError(str(error)) from None
    if missing := [name for name in COLUMNS if name not in columns]:
        raise MeasurementError(f"{path}: no column {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    if not rows:
        raise MeasurementError(f"{path}: no rows; expected repetitions")
    values = [{name: _value(path, row, name) for name in COLUMNS} for row in rows]
    found = [_part(value, CONDITIONS) for value in values]
    for row, conditions in zip(rows, found, strict=True):
        if conditions != found[0]:
            raise MeasurementError(f"{path}: line {row.line}: other conditions than the first row's")
    repetitions = (Repetition(**_part(value, COLUMNS[len(CONDITIONS) :])) for value in values)
    return LinkRun(conditions=Conditions(**found[0]), repetitions=tuple(repetitions))


def _part(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in names}


def _value(path: Path, row: CsvRow, name: str) -> str | float:
    text = row.cells[name]
    if name not in COUNTS | QUANTITIES:
        return text
    try:
        value = int(text) if name in COUNTS else float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and (value > 0 or (value == 0 and name in MAY_BE_ZERO))):
        expected = "a number of at least 0" if name in MAY_BE_ZERO else "a number above 0"
        raise MeasurementError(f"{path}: line {row.line}: {name} is {text!r}; expected {expected}")
    return value
