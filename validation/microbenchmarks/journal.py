"""The file of measurements: a CSV that grows row by row while a run goes on and resumes where it stopped.

A run writes to ``NAME.partial`` and renames it to ``NAME`` at its end, so that a file under its own name is
whole. Rows that cannot be read (a torn last line, say) are reported and measured again; the others stay.
"""

import csv
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TypeVar

from readers.csv_text import read_csv
from readers.errors import InputError
from validation.errors import MeasurementError
from validation.microbenchmarks.case import Case, format_dims, parse_dims
from validation.microbenchmarks.measurement import Measurement, Setting

T = TypeVar("T")

COLUMNS = (
    "date",
    "device",
    "driver",
    "backend",
    "software",
    "processes",
    "threads",
    "family",
    "kernel",
    "algorithm",
    "dtype",
    "dims",
    "flops",
    "nbytes",
    "held_out",
    "round",
    "value",
    "unit",
    "spread",
    "least",
    "samples",
    "workspace_B",
    "skipped",
    "pace_s",
)
UNPROBED = COLUMNS[:-1]
"""Of files that were written before the machine's speed was probed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What a file of measurements holds.

    Attributes:
        measurements: rows that could be read, in order.
        faults: one line for each row that could not.
    """

    measurements: tuple[Measurement, ...] = ()
    faults: tuple[str, ...] = ()


def partial_path(path: Path) -> Path:
    """Where a run that is not over writes."""
    return path.with_name(f"{path.name}.partial")


def read_journal(path: Path) -> Journal:
    """The rows of a file of measurements.

    Raises:
        MeasurementError: the file cannot be read, or is none of measurements.
    """
    try:
        columns, lines = read_csv(path)
    except InputError as error:
        raise MeasurementError(str(error)) from None
    if columns not in {COLUMNS, UNPROBED}:
        missing = [name for name in COLUMNS if name not in columns]
        found = f"no column {', '.join(missing)}" if missing else f"columns {', '.join(columns)}"
        raise MeasurementError(f"{path}: line 1: {found}; expected {', '.join(COLUMNS)}")
    measurements, faults = [], []
    for line, cells in lines:
        try:
            measurements.append(_measurement(columns, cells))
        except (ValueError, KeyError) as error:
            faults.append(f"{path}: line {line}: {error}; the row is left out")
    return Journal(measurements=tuple(measurements), faults=tuple(faults))


def _measurement(columns: Sequence[str], cells: Sequence[str]) -> Measurement:
    if len(cells) != len(columns):
        raise ValueError(f"found {len(cells)} cells; expected {len(columns)}")
    row = {"pace_s": "0", **dict(zip(columns, cells, strict=True))}
    value, skipped = _float(row, "value"), row["skipped"]
    if not skipped and value <= 0:
        raise ValueError(f"value: found {row['value']!r}; expected a number above 0")
    return Measurement(
        setting=Setting(
            device=row["device"],
            driver=row["driver"],
            backend=row["backend"],
            software=_parse_software(row["software"]),
            processes=_parsed(row, "processes", int, "a whole number"),
            threads=_parsed(row, "threads", int, "a whole number"),
        ),
        case=Case(
            family=row["family"],
            kernel=row["kernel"],
            dims=_parsed(row, "dims", parse_dims, "name=extent ..."),
            dtype=row["dtype"],
            algorithm=row["algorithm"],
            flops=_float(row, "flops"),
            nbytes=_float(row, "nbytes"),
            held_out=row["held_out"] == "yes",
        ),
        turn=_parsed(row, "round", int, "a whole number"),
        date=_parsed(row, "date", _dated, "a date such as 2026-11-30T12:00:00+00:00"),
        value=value,
        unit=row["unit"],
        spread=_float(row, "spread"),
        least=_float(row, "least"),
        samples=_parsed(row, "samples", int, "a whole number"),
        workspace=_float(row, "workspace_B"),
        pace=_float(row, "pace_s"),
        skipped=skipped,
    )


def _float(row: Mapping[str, str], name: str) -> float:
    return _parsed(row, name, _finite, "a number")


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(text)
    return value


def _dated(text: str) -> str:
    if text:
        dt.datetime.fromisoformat(text)
    return text


def _parsed(row: Mapping[str, str], name: str, parse: Callable[[str], T], expected: str) -> T:
    try:
        return parse(row[name])
    except ValueError:
        raise ValueError(f"{name}: found {row[name]!r}; expected {expected}") from None


def start_journal(path: Path, kept: Iterable[Measurement]) -> None:
    """Begin the partial file anew with the rows that are kept."""
    lines = [COLUMNS, *map(_cells, kept)]
    target = partial_path(path)
    fresh = target.with_name(f"{target.name}.new")
    with fresh.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    fresh.replace(target)


def append_measurements(path: Path, measurements: Iterable[Measurement]) -> None:
    """Add rows to the partial file; they are on their way to the disk when this returns."""
    with partial_path(path).open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(map(_cells, measurements))


def finish_journal(path: Path) -> None:
    """The run is over: the partial file gets its name."""
    partial_path(path).replace(path)


def _cells(found: Measurement) -> tuple[object, ...]:
    setting, case = found.setting, found.case
    return (
        found.date,
        setting.device,
        setting.driver,
        setting.backend,
        _format_software(setting.software),
        setting.processes,
        setting.threads,
        case.family,
        case.kernel,
        case.algorithm,
        case.dtype,
        format_dims(case.dims),
        f"{case.flops:.0f}",
        f"{case.nbytes:.0f}",
        "yes" if case.held_out else "no",
        found.turn,
        f"{found.value:.6g}",
        found.unit,
        f"{found.spread:.3g}",
        f"{found.least:.6g}",
        found.samples,
        f"{found.workspace:.0f}",
        found.skipped,
        f"{found.pace:.6g}",
    )


def _format_software(software: Mapping[str, str]) -> str:
    return "; ".join(f"{name}={version}" for name, version in software.items())


def _parse_software(text: str) -> dict[str, str]:
    return dict(_pairs(text))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, text.split("; ")):
        name, _, version = part.partition("=")
        yield name, version
