"""Published rows predicted by several processes, in the order of the tables."""

from collections.abc import Iterator, Sequence

from planner.workers.spread import spread_in_order
from validation.published.prediction import predict_shipped
from validation.published.results import result_cells
from validation.published.tables import PublishedRow

FEW = 64
"""Rows that take less time than processes take to start."""


def predicted_cells(
    rows: Sequence[PublishedRow], *, workers: int = 1, scheduler: str | None = None
) -> Iterator[dict[str, object]]:
    """What :func:`validation.published.results.result_cells` says of every row.

    Args:
        rows: of any published tables; rows of one model in a table stay together, because they share prices.
        workers: processes of this machine.
        scheduler: address of a Dask cluster instead; None for this machine.

    Raises:
        SimdlError: a row was given up, or the Dask cluster is not there.
    """
    return spread_in_order(
        row_cells, rows, groups=groups_of(rows), workers=enough(workers, len(rows)), scheduler=scheduler
    )


def row_cells(row: PublishedRow) -> dict[str, object]:
    """Predict one row."""
    return result_cells(predict_shipped(row))


def groups_of(rows: Sequence[PublishedRow]) -> list[str]:
    """What shares prices: rows of one table and model."""
    return [f"{row.file} {row['model']}" for row in rows]


def enough(workers: int, rows: int) -> int:
    """As many workers as are worth their start."""
    return 1 if rows <= FEW else workers
