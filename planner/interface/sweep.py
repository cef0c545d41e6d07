"""`simdl sweep` as a call, and its result."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.console.format import format_rate, format_seconds
from planner.interface.arguments import FilePath, choice, count, flag, one_family, refuse, text
from planner.interface.result import Result
from planner.sweep.grid import Grid, load_grid, read_grid
from planner.sweep.row import ANSWERED
from planner.sweep.run import SweepAnswer, run_sweep, status_counts, sweep_json
from planner.sweep.table import FORMATS

if TYPE_CHECKING:
    import pandas as pd

GRID = "a TOML file with a grid, or a mapping with lists of models, clusters, strategies and batches"
SHOWN = 20  # rows of a table to read


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Sweep(Result):
    """Every question of a grid, answered.

    Attributes:
        answer: rows by column, and the file that holds them.
        wall_time: [s] that the call took.
    """

    answer: SweepAnswer
    wall_time: float

    @property
    def rows(self) -> tuple[Mapping[str, Any], ...]:
        """One per question in the order of the grid, by column, in base units."""
        return self.answer.rows

    @property
    def table(self) -> Path:
        """The file of results."""
        return self.answer.table

    @property
    def headline(self) -> str:
        """How many questions there were, and what became of them."""
        counts = status_counts(self.rows)
        said = ", ".join(f"{number:,} {status}" for status, number in counts.items() if number)
        return f"{len(self.rows):,} questions: {said}; table in {self.table}"

    @property
    def _data(self) -> Mapping[str, Any]:
        return sweep_json(self.answer, wall_time=self.wall_time)

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        rows = [
            (
                str(row["model"]),
                str(row["cluster"]),
                str(row["global_batch"] or ""),
                format_seconds(row["step_time"]) if row["status"] == ANSWERED else "-",
                format_rate(row["samples_per_s"]) if row["status"] == ANSWERED else "-",
                str(row["plan"] or row["reason"]),
            )
            for row in self.rows[:SHOWN]
        ]
        return ("model", "cluster", "global batch", "step", "samples/s", "plan"), rows

    @property
    def _notes(self) -> Sequence[str]:
        hidden = len(self.rows) - SHOWN
        return [f"and {hidden:,} more rows: .frame() has them all"] if hidden > 0 else []

    def explain(self) -> tuple[str, ...]:
        """Why questions have no answer, each reason once."""
        return tuple(dict.fromkeys(str(row["reason"]) for row in self.rows if row["status"] != ANSWERED))

    def frame(self) -> "pd.DataFrame":
        """One row per question in the order of the grid, in base units."""
        import pandas as pd  # noqa: PLC0415 - only where a frame is asked for

        return pd.DataFrame(list(self.rows))


@one_family
def sweep(
    grid: Mapping[str, Any] | FilePath,
    out: FilePath,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    format: str = FORMATS[0],  # noqa: A002 - named as the command's option
    force: bool = False,
    progress: Callable[[int, int, int], None] | None = None,
) -> Sweep:
    """Answer every question of a grid, one row each, as `simdl sweep` does.

    Rows are kept as they come: a call that was stopped goes on where it was, and each question is answered
    once. Workers are processes of their own, which notebooks and scripts need not prepare for.

    Args:
        grid: TOML file, or a mapping with the same keys: lists of ``models``, ``clusters``, ``strategies``
            and ``batches``, whose every combination is asked.
        out: directory of the rows, made if it is missing.
        workers: processes; by default as many as there are cores.
        scheduler: address of a Dask cluster that does the work instead.
        format: of the table, ``"csv"`` or ``"parquet"``.
        force: start anew, whatever grid the directory answers.
        progress: called with rows done in all, rows done by this call, and rows in all.

    Returns:
        The rows.

    Raises:
        SimdlError: a grid that says what no grid says, or a directory that answers another one.

    Example:
        >>> import simdl
        >>> grid = {"models": ["gpt2"], "clusters": ["dgx-a100:1"], "batches": [256, 512]}
        >>> rows = simdl.sweep(grid, "sweep-of-gpt2").frame()  # doctest: +SKIP
    """
    asked = _grid(grid)
    file_format = choice("format", format, FORMATS)
    folder = text("out", out, "a directory")
    if folder is None:
        raise refuse("out", out, "a directory")
    started = time.perf_counter()
    answer = run_sweep(
        asked,
        Path(folder),
        workers=count("workers", workers),
        scheduler=text("scheduler", scheduler, "an address such as 'tcp://10.0.0.1:8786'"),
        fresh=flag("force", force),
        file_format=file_format,
        told=lambda done, now, total, _share: progress(done, now, total) if progress else None,
    )
    return Sweep(answer=answer, wall_time=time.perf_counter() - started)


def _grid(grid: object) -> Grid:
    """The questions of a file or of a mapping.

    Raises:
        QuestionError: neither.
        SimdlError: it says what no grid says.
    """
    if isinstance(grid, Mapping):
        return read_grid(dict(grid), place="grid", text=json.dumps(grid, default=str))
    path = text("grid", grid, GRID)
    if path is None:
        raise refuse("grid", grid, GRID)
    return load_grid(Path(path))
