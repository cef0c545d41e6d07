"""`simdl validate transfer`: refit without each group of rows in turn, and predict the group."""

from pathlib import Path

import click

from planner.console.options.worker_options import worker_options
from planner.console.output import print_json, print_table
from planner.console.output_files import answer_options
from planner.console.refusals import bad_input, reporting_errors
from planner.pages.page import report_path, write_page
from planner.workers.spread import Hands
from simdl.cores import usable_cores
from validation.errors import MeasurementError
from validation.fit.evidence import measured_rows
from validation.published.identity import distinct_runs
from validation.published.tables import load_published
from validation.transfer.groups import GROUPINGS
from validation.transfer.intervals import with_intervals
from validation.transfer.leave_out import leave_out
from validation.transfer.report import (
    HEADER,
    INTERVAL_HEADER,
    STRATUM_HEADER,
    group_rows,
    interval_rows,
    stratum_rows,
    transfer_json,
)
from validation.transfer.spreads import LEVEL


@click.command()
@click.option(
    "--leave-out",
    "grouping",
    type=click.Choice(tuple(GROUPINGS)),
    default="source",
    show_default=True,
    help="What rows are grouped by.",
)
@click.option(
    "--table", "tables", multiple=True, metavar="TABLE.csv", help="Only rows of this table; may be repeated."
)
@click.option(
    "--every",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Only every so many rows of a table.",
)
@worker_options
@answer_options("Print JSON: every row, and the summary.")
@reporting_errors()
def transfer(
    grouping: str,
    tables: tuple[str, ...],
    *,
    every: int,
    workers: int | None,
    scheduler: str | None,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Predict every group of published rows with numbers refitted without it.

    "fitted" are the numbers as shipped; "left out" those that the other groups give, from a neutral start;
    "unknown" are the shipped numbers where the row's source says nothing. Groups that no number was fitted on
    say "no" under "refitted". The weakest come first. Intervals are calibrated on the residuals of all other
    groups. A run that is printed twice counts once.
    """
    page_path = report_path(report_directory, f"validate-transfer-{grouping}", force=force)
    published = load_published().rows
    if unknown := sorted(set(tables) - {row.file for row in published}):
        raise bad_input(MeasurementError(f"--table: found {', '.join(unknown)}; expected a training table"))
    runs = distinct_runs(published)
    chosen = [row for row in runs if (not tables or row.file in tables) and row.number % every == 0]
    hands = Hands(workers=workers or usable_cores(), scheduler=scheduler)
    rows = list(measured_rows(chosen, hands=hands))
    left = leave_out(rows, grouping, said=lambda text: click.echo(text, err=True), hands=hands)
    results = with_intervals(left)
    answer = transfer_json(results, grouping)
    if page_path is not None:
        from validation.transfer.page import transfer_page  # noqa: PLC0415 - plotly, only where asked for

        write_page(transfer_page(results, answer), page_path)
    if as_json:
        print_json(answer)
        return
    click.echo(answer["headline"])
    print_table(STRATUM_HEADER, stratum_rows(results), title=f"Errors without each {grouping} in the fit")
    print_table(HEADER, group_rows(results), title="By group, the weakest first")
    title = f"Intervals of {LEVEL:.0%}, each {grouping} left out of the fit and of their calibration"
    print_table(INTERVAL_HEADER, interval_rows(results), title=title)
