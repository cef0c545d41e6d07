"""`simdl sweep`: every question of a grid, answered once and written as a table."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from planner.console.command_clock import seconds_waited, start_clock
from planner.console.endings import INTERRUPTED
from planner.console.format import format_duration, format_seconds
from planner.console.options.worker_options import worker_options
from planner.console.output import print_json, print_table
from planner.console.refusals import reporting_errors
from planner.console.time_left import progress_with_time_left
from planner.sweep.grid import load_grid
from planner.sweep.row import ANSWERED, STATUSES
from planner.sweep.run import SweepAnswer, run_sweep, status_counts, sweep_json
from planner.sweep.table import FORMATS

REASONS = 5  # said at most
WIDEST = 240  # characters of a reason; the table has it whole
HEADER = ("model", "questions", *STATUSES, "most samples/s", "on", "global batch", "plan")


@click.command()
@click.argument("grid", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Directory of the rows, such as answers; a run that stopped goes on.",
)
@worker_options
@click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="Format of the table of results; parquet needs the extra of that name.",
)
@click.option("--force", is_flag=True, help="Start anew, whatever grid the directory answers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: every row, and the summary.")
@reporting_errors()
def sweep(
    *,
    grid: Path,
    out: Path,
    workers: int | None,
    scheduler: str | None,
    file_format: str,
    force: bool,
    as_json: bool,
) -> None:
    """Answer every question of GRID.toml: models x clusters x strategies x batches, one row each.

    Rows are kept as they come: a sweep that was stopped, however, goes on with the same command, and each
    question is answered once. What cannot be answered is a row that says why. Exits with 1 if no row has an
    answer.
    """
    start_clock(click.get_current_context())
    asked = load_grid(grid)
    try:
        with progress_with_time_left("sweep") as told:
            answer = run_sweep(
                asked,
                out,
                workers=workers,
                scheduler=scheduler,
                fresh=force,
                file_format=file_format,
                told=told,
            )
    except KeyboardInterrupt:
        click.echo(
            f"Stopped; the rows answered so far are kept in {out}, and the same command goes on.", err=True
        )
        sys.exit(INTERRUPTED)
    counts = status_counts(answer.rows)
    if as_json:
        print_json(sweep_json(answer, wall_time=seconds_waited()))
    else:
        _print(answer, counts)
    if not counts[ANSWERED]:
        sys.exit(1)


def _print(answer: SweepAnswer, counts: Mapping[str, int]) -> None:
    said = ", ".join(f"{count:,} {status}" for status, count in counts.items() if count)
    times = f"{format_duration(seconds_waited())}, {format_duration(answer.seconds)} of workers"
    click.echo(f"{len(answer.rows):,} questions: {said}; table in {answer.table} ({times})")
    if answer.resumed:
        click.echo(f"{answer.resumed:,} of them were answered by an earlier run")
    if answer.unreadable:
        click.echo(f"warning: {answer.unreadable} lines of the journal held no row; asked again", err=True)
    models = dict.fromkeys(row["model"] for row in answer.rows)
    print_table(HEADER, [_model_row(model, answer.rows) for model in models], title="By model")
    for line in _reasons(answer.rows):
        click.echo(line)


def _model_row(model: str, rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    own = [row for row in rows if row["model"] == model]
    counts = [str(count or "-") for count in status_counts(own).values()]
    answered = [row for row in own if row["status"] == ANSWERED]
    best = max(answered, key=lambda row: row["samples_per_s"], default=None)
    if best is None:
        return (model, str(len(own)), *counts, "-", "-", "-", "-")
    plan = f"{best['plan']} ({format_seconds(best['step_time'])})"
    fastest = (f"{best['samples_per_s']:,.1f}", best["cluster"], f"{best['global_batch']:,}", plan)
    return (model, str(len(own)), *counts, *fastest)


def _short(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def _reasons(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The most frequent reasons why questions have no answer."""
    counts: dict[str, int] = {}
    for row in rows:
        if row["status"] != ANSWERED:
            said = _short(f"{row['status']}: {row['reason']}")
            counts[said] = counts.get(said, 0) + 1
    most = sorted(counts.items(), key=lambda each: -each[1])
    lines = [f"{said}{f' ({count} rows)' if count > 1 else ''}" for said, count in most[:REASONS]]
    if len(most) > REASONS:
        lines.append(f"and {len(most) - REASONS} other reasons, in the column reason of the table")
    return lines
