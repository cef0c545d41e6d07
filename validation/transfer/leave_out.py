"""Predictions of every group with numbers that were refitted without it, and with its source unknown."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from simdl.errors import SimdlError
from validation.errors import RowSkippedError
from validation.fit.evidence import gather
from validation.fit.patches import Number, Values, used_numbers
from validation.fit.responses import FitRow, fit_row, timed_seconds
from validation.fit.solve import Evidence, solve
from validation.transfer.groups import GROUPINGS, stratum

COLUMNS = (
    "file",
    "row",
    "item",
    "group",
    "stratum",
    "stack",
    "device",
    "measured",
    "shipped",
    "left_out",
    "unknown_source",
    "used",
)
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeftOut:
    """One group, and the numbers that its rows were predicted with.

    Attributes:
        name: of the group.
        rows: of the group.
        values: numbers refitted without it.
        touched: fits that lost rows with it.
    """

    name: str
    rows: tuple[FitRow, ...]
    values: dict[Number, float]
    touched: int


def leave_out(rows: Sequence[FitRow], grouping: str, *, said: Progress = lambda _: None) -> pd.DataFrame:
    """Every row's measured and predicted seconds: as shipped, left out, and with its source unknown.

    Args:
        rows: with measured times.
        grouping: a name of ``GROUPINGS``.
        said: told what is going on.
    """
    said("responses of rows to the fitted numbers")
    evidence = gather(rows)
    lines = [
        _line(row, group, predicted)
        for group in left_out_groups(rows, evidence, grouping, said)
        for row, predicted in _predictions(group)
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def left_out_groups(
    rows: Sequence[FitRow], evidence: Sequence[Evidence], grouping: str, said: Progress
) -> Iterator[LeftOut]:
    """Groups of rows, each with the numbers that the others give."""
    key = GROUPINGS[grouping]
    members: dict[str, list[FitRow]] = {}
    for row in rows:
        members.setdefault(key(row), []).append(row)
    for name, own in sorted(members.items()):
        said(f"{grouping} {name}: {len(own)} rows")
        kept = [replace(each, rows=tuple(row for row in each.rows if key(row) != name)) for each in evidence]
        touched = sum(
            len(after.rows) < len(before.rows) for after, before in zip(kept, evidence, strict=True)
        )
        values = solve(kept) if touched else {}
        yield LeftOut(name=name, rows=tuple(own), values=values, touched=touched)


def _predictions(group: LeftOut) -> Iterator[tuple[FitRow, float]]:
    for row in group.rows:
        yield row, _seconds(row, group.values)


def _seconds(row: FitRow, values: Values) -> float:
    used = used_numbers(row.setup.stack, row.setup.cluster.device.name)
    changed = {number: values[number] for number in used if number in values}
    return timed_seconds(row.setup, row.strategy, changed) if changed else row.shipped


def unknown_source(row: FitRow) -> float | None:
    """[s] predicted of a row whose source says nothing; None where it can then not be asked."""
    cells = {**row.row.cells, "source": "unknown"}
    try:
        renamed = fit_row(replace(row.row, cells=cells))
    except (RowSkippedError, SimdlError):
        return None
    return None if renamed is None else renamed.shipped


def _line(row: FitRow, group: LeftOut, predicted: float) -> tuple[object, ...]:
    return (
        row.row.file,
        row.row.number,
        row.row["source_item"],
        group.name,
        stratum(row),
        row.setup.stack,
        row.setup.cluster.device.name,
        row.measured,
        row.shipped,
        predicted,
        unknown_source(row),
        bool(group.touched),
    )
