"""Predictions of every group with numbers that were refitted without it, and with its source unknown."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from planner.workers.spread import ALONE, Hands, spread_in_order
from simdl.errors import SimdlError
from validation.errors import RowSkippedError
from validation.fit.evidence import gather
from validation.fit.patches import Number, Values, used_numbers
from validation.fit.responses import FitRow, fit_row
from validation.fit.rows import RowPiece, piece_of, seconds
from validation.fit.solve import Evidence, solve
from validation.published.spread import enough, groups_of
from validation.published.tables import PublishedRow
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


def leave_out(
    rows: Sequence[FitRow], grouping: str, *, said: Progress = lambda _: None, hands: Hands = ALONE
) -> pd.DataFrame:
    """Every row's measured and predicted seconds: as shipped, left out, and with its source unknown.

    Args:
        rows: with measured times.
        grouping: a name of ``GROUPINGS``.
        said: told what is going on.
        hands: who simulates.
    """
    said("responses of rows to the fitted numbers")
    evidence = gather(rows, hands=hands)
    placed = [(row, group) for group in left_out_groups(rows, evidence, grouping, said) for row in group.rows]
    said(f"predictions of {len(placed)} rows")
    pieces = [piece_of(row, _changed(row, group.values)) for row, group in placed]
    predictions = spread_in_order(
        predicted,
        pieces,
        groups=groups_of([row.row for row, _ in placed]),
        workers=enough(hands.workers, len(pieces)),
        scheduler=hands.scheduler,
    )
    lines = [_line(row, group, found) for (row, group), found in zip(placed, predictions, strict=True)]
    return pd.DataFrame(lines, columns=COLUMNS)


def predicted(piece: RowPiece) -> tuple[float, float | None]:
    """[s] of a row with the numbers of its piece, and with its source unknown."""
    return seconds(piece), unknown_source(piece.row)


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


def _changed(row: FitRow, values: Values) -> dict[Number, float]:
    used = used_numbers(row.setup.stack, row.setup.cluster.device.name)
    return {number: values[number] for number in used if number in values}


def unknown_source(row: PublishedRow) -> float | None:
    """[s] predicted of a row whose source says nothing; None where it can then not be asked."""
    cells = {**row.cells, "source": "unknown"}
    try:
        renamed = fit_row(replace(row, cells=cells))
    except (RowSkippedError, SimdlError):
        return None
    return None if renamed is None else renamed.shipped


def _line(row: FitRow, group: LeftOut, found: tuple[float, float | None]) -> tuple[object, ...]:
    left_out, unknown = found
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
        left_out,
        unknown,
        bool(group.touched),
    )
