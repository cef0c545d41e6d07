"""Predictions of every group with numbers that were refitted without it, and with its source unknown."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from planner.workers.spread import ALONE, Hands, spread_in_order
from simdl.errors import SimdlError
from simdl.report.certainty import SPREAD_CAUSES, Knowledge, kind_of, knowledge_of
from simdl.software.reader import load_stack
from validation.errors import RowSkippedError
from validation.fit.evidence import gather
from validation.fit.patches import Number, Values, numbers_of, used_numbers
from validation.fit.responses import FitRow, fit_row, same_question
from validation.fit.rows import RowPiece, piece_of, seconds
from validation.fit.solve import Evidence, solve
from validation.published.prediction import row_setup
from validation.published.spread import enough, groups_of
from validation.transfer.groups import GROUPINGS, stratum

COLUMNS = (
    "file",
    "row",
    "item",
    "group",
    "stratum",
    "kind",
    "stack",
    "device",
    "measured",
    "shipped",
    "left_out",
    "unknown_source",
    "used",
    "knowledge",
    "products",
    "kernels",
    "communication",
    "host",
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
        orphans: numbers whose fit has no row left, so that they are their family's.
    """

    name: str
    rows: tuple[FitRow, ...]
    values: dict[Number, float]
    touched: int
    orphans: frozenset[Number] = frozenset()


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
    return seconds(piece), unknown_source(piece)


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
        orphans = frozenset(number for each in kept if not each.rows for number in numbers_of(each.fit))
        yield LeftOut(name=name, rows=tuple(own), values=values, touched=touched, orphans=orphans)


def _changed(row: FitRow, values: Values) -> dict[Number, float]:
    used = used_numbers(row.setup.stack, row.setup.cluster.device.name)
    return {number: values[number] for number in used if number in values}


def unknown_source(piece: RowPiece) -> float | None:
    """[s] predicted of a row whose source says nothing; None where it can then not be asked."""
    unnamed = replace(piece.row, cells={**piece.row.cells, "source": "unknown"})
    try:
        if same_question(row_setup(piece.row), row_setup(unnamed)):
            return piece.shipped
        renamed = fit_row(unnamed)
    except (RowSkippedError, SimdlError):
        return None
    return None if renamed is None else renamed.shipped


def _knowledge(row: FitRow, orphans: frozenset[Number]) -> Knowledge:
    """What is known of a row's software once its group is left out: numbers without rows are a family's."""
    stack, device = load_stack(row.setup.stack), row.setup.cluster.device
    known = knowledge_of(stack, device)
    own = [number for number in used_numbers(stack.name, device.name) if number.holder == stack.name]
    return "prior" if known == "fitted" and own and all(number in orphans for number in own) else known


def _line(row: FitRow, group: LeftOut, found: tuple[float, float | None]) -> tuple[object, ...]:
    left_out, unknown = found
    return (
        row.row.file,
        row.row.number,
        row.row["source_item"],
        group.name,
        stratum(row),
        kind_of(row.setup.workload.network),
        row.setup.stack,
        row.setup.cluster.device.name,
        row.measured,
        row.shipped,
        left_out,
        unknown,
        bool(group.touched),
        _knowledge(row, group.orphans),
        *(row.causes[cause] / (sum(row.causes.values()) or 1.0) for cause in SPREAD_CAUSES),
    )
