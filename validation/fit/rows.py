"""Rows of fits simulated by several processes: a piece carries what was printed, to be asked again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from planner.workers.spread import Hands, spread_in_order
from simdl.step.strategy import Strategy
from validation.fit.patches import Number, Values, shipped
from validation.fit.responses import (
    FitRow,
    Response,
    fit_row,
    measured_seconds,
    timed_seconds,
    with_responses,
)
from validation.published.prediction import row_setup
from validation.published.spread import enough, groups_of
from validation.published.tables import PublishedRow


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowPiece:
    """A row of a fit as a worker gets it.

    Attributes:
        row: what was printed.
        strategy: candidate that its prediction takes.
        shipped: [s] predicted with the numbers as they are.
        causes: [s] of products, other kernels, communication and the host in that prediction.
        changed: other values of numbers.
    """

    row: PublishedRow
    strategy: Strategy
    shipped: float
    causes: Mapping[str, float]
    changed: dict[Number, float] = field(default_factory=dict)


def piece_of(row: FitRow, changed: Values | None = None) -> RowPiece:
    """A row to be simulated elsewhere, with other values of its numbers."""
    return RowPiece(
        row=row.row,
        strategy=row.strategy,
        shipped=row.shipped,
        causes=row.causes,
        changed=dict(changed or {}),
    )


def again(piece: RowPiece) -> FitRow:
    """The row of a piece."""
    setup = row_setup(piece.row)
    return FitRow(
        row=piece.row,
        setup=setup,
        strategy=piece.strategy,
        measured=measured_seconds(setup),
        shipped=piece.shipped,
        causes=piece.causes,
    )


def rows_again(rows: Sequence[PublishedRow], hands: Hands) -> Iterator[FitRow]:
    """Rows that have a measured time and can be simulated, each simulated once."""
    if hands.scheduler is None and enough(hands.workers, len(rows)) == 1:
        yield from (row for row in map(fit_row, rows) if row is not None)
        return
    pieces = spread_in_order(
        fitted, rows, groups=groups_of(rows), workers=hands.workers, scheduler=hands.scheduler
    )
    yield from (again(piece) for piece in pieces if piece is not None)


def fitted(row: PublishedRow) -> RowPiece | None:
    """Simulate a row; None where it has no measured time or cannot be simulated."""
    found = fit_row(row)
    return None if found is None else piece_of(found)


def responses_of(rows: Sequence[FitRow], hands: Hands) -> Iterator[dict[Number, Response]]:
    """How every row answers to the numbers that it uses."""
    return spread_in_order(
        responses,
        [piece_of(row) for row in rows],
        groups=groups_of([row.row for row in rows]),
        workers=enough(hands.workers, len(rows)),
        scheduler=hands.scheduler,
    )


def responses(piece: RowPiece) -> dict[Number, Response]:
    """How one row answers to the numbers that it uses."""
    values = shipped()
    (row,) = with_responses([again(piece)], values, [*values])
    return row.responses


def seconds(piece: RowPiece) -> float:
    """[s] predicted of a row with the values of its piece, as shipped where none differs."""
    if not piece.changed:
        return piece.shipped
    return timed_seconds(row_setup(piece.row), piece.strategy, piece.changed)
