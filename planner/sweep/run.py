"""A sweep: every question of a grid answered once, by workers that share prices, however often it stops."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.sweep.expected import Work, in_turns
from planner.sweep.folder import Folder, appending, open_folder
from planner.sweep.grid import Grid
from planner.sweep.row import FAILED, LOST, STATUSES, Row, answer_row, group_of, lost_row, piece_of
from planner.sweep.table import check_format, numbered, write_table
from planner.workers.outcome import Done, Lost
from planner.workers.spread import Told, spread
from simdl.cores import usable_cores


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepAnswer:
    """What a sweep gives.

    Attributes:
        table: the file of results.
        rows: one per question in the order of the grid, by column.
        resumed: rows that an earlier run had answered.
        unreadable: lines of its journal that held no row.
        seconds: [s] that workers took for all rows, earlier runs included.
    """

    table: Path
    rows: tuple[Mapping[str, Any], ...]
    resumed: int
    unreadable: int
    seconds: float


def status_counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Rows by what became of them."""
    return {status: sum(row["status"] == status for row in rows) for status in STATUSES}


def sweep_json(answer: SweepAnswer, *, wall_time: float) -> dict[str, Any]:
    """What `simdl sweep` says by key; ``wall_time`` [s] is what its user has waited."""
    counts = status_counts(answer.rows)
    return {
        "rows": answer.rows,
        "summary": {"questions": len(answer.rows), **counts, "resumed": answer.resumed},
        "table": str(answer.table),
        "worker_time": answer.seconds,
        "wall_time": wall_time,
    }


def run_sweep(
    grid: Grid,
    out: Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    fresh: bool = False,
    file_format: str = "csv",
    told: Told = lambda _done, _now, _total, _share: None,
) -> SweepAnswer:
    """Answer what a folder has no row of yet, and write its table.

    Args:
        grid: the questions.
        out: the folder.
        workers: processes of this machine; as many as it has cores by default.
        scheduler: address of a Dask cluster that does the work instead; None for this machine.
        fresh: forget earlier rows.
        file_format: of the table.
        told: about progress.

    Raises:
        SimdlError: the folder answers another grid or cannot be written, or the Dask cluster is not there.
    """
    check_format(file_format)
    folder = open_folder(out, grid, fresh=fresh)
    resumed = len(folder.rows)
    _answer_rest(folder, grid, workers or usable_cores(), scheduler, told)
    rows = numbered(folder.rows)
    return SweepAnswer(
        table=write_table(out, rows, file_format),
        rows=tuple(rows),
        resumed=resumed,
        unreadable=folder.unreadable,
        seconds=sum(folder.seconds.values()),
    )


def _answer_rest(folder: Folder, grid: Grid, workers: int, scheduler: str | None, told: Told) -> None:
    """Add the rows that are missing to the folder, as they come."""
    places = [place for place in range(len(grid.asks)) if place not in folder.rows]
    done, total = len(folder.rows), len(grid.asks)
    work = Work(grid.asks[place] for place in places)
    told(done, 0, total, work.share)
    with appending(folder) as journal:
        if not places:
            return
        places = in_turns(places, grid.asks)
        pieces = [piece_of(grid.asks[place]) for place in places]
        groups = [group_of(grid.asks[place]) for place in places]
        outcomes = spread(answer_row, pieces, groups=groups, workers=workers, scheduler=scheduler)
        for now, (index, outcome) in enumerate(outcomes, start=1):
            place = places[index]
            if isinstance(outcome, Done):
                row, seconds = outcome.result, outcome.seconds
            else:
                status = LOST if isinstance(outcome, Lost) else FAILED
                row, seconds = lost_row(grid.asks[place], status, outcome.reason), 0.0
            journal.add(place, row, seconds)
            _keep(folder, place, row, seconds)
            work.add(grid.asks[place], seconds)
            told(done + now, now, total, work.share)


def _keep(folder: Folder, place: int, row: Row, seconds: float) -> None:
    folder.rows[place], folder.seconds[place] = row, seconds
