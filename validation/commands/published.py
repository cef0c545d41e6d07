"""`simdl validate published`: predict every row of published training tables and score the predictions."""

from pathlib import Path

import click

from planner.console.options.worker_options import worker_options
from planner.console.output import print_json, print_table, progress
from planner.console.output_files import force_option, report_option
from planner.console.refusals import reporting_errors
from planner.pages.page import report_path, write_page
from simdl.cores import usable_cores
from validation.published.compare import Comparison, compare
from validation.published.report import (
    ERROR_HEADER,
    FIT_HEADER,
    MEMORY_HEADER,
    RANKING_HEADER,
    REASON_HEADER,
    WRONG_HEADER,
    error_rows,
    fit_rows,
    memory_rows,
    ranking_rows,
    reason_rows,
    report_json,
    wrong_memory_rows,
)
from validation.published.results import cells_frame
from validation.published.rows.failed_batches import failed_batches
from validation.published.spread import predicted_cells
from validation.published.tables import PublishedTables, load_published, load_tables


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="CSV file, or folder searched for CSV files, with a published header.",
    show_default="the project's own",
)
@worker_options
@report_option
@force_option
@click.option("--memory", is_flag=True, help="List the runs whose memory is judged wrongly.")
@click.option("--skipped", is_flag=True, help="List why rows are skipped.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: every row, and the summary.")
@reporting_errors()
def published(
    data: Path | None,
    *,
    workers: int | None,
    scheduler: str | None,
    report_directory: Path | None,
    force: bool,
    memory: bool,
    skipped: bool,
    as_json: bool,
) -> None:
    """Predict published training runs and compare with what was measured.

    Language-model rows compare step times, converted by each source's convention where only a throughput or a
    utilisation is printed; network rows compare throughput. The error of a row is predicted / measured - 1.
    Rows are numbered from 1, the header not counted. A skipped row names its reason.
    """
    page_path = report_path(report_directory, "validate-published", force=force)
    tables = load_published() if data is None else load_tables(data)
    rows = [*tables.rows, *failed_batches(tables.rows)]
    predicted = predicted_cells(rows, workers=workers or usable_cores(), scheduler=scheduler)
    cells = list(progress(predicted, total=len(rows), label="rows"))
    results = cells_frame(cells[: len(tables.rows)], cells[len(tables.rows) :])
    comparison = compare(results)
    answer = report_json(results, comparison, tables.skipped_files)
    if page_path is not None:
        from validation.published.page import published_page  # noqa: PLC0415 - plotly, only where asked for

        write_page(published_page(comparison, answer), page_path)
    if as_json:
        print_json(answer)
        return
    click.echo(answer["headline"])
    _print(comparison, tables)
    if memory:
        print_table(WRONG_HEADER, wrong_memory_rows(results), title="Memory judged wrongly")
    if reasons := reason_rows(comparison):
        if skipped:
            print_table(REASON_HEADER, reasons, title="Skipped rows")
        else:
            click.echo(f"{comparison.overall.skipped:,} rows are skipped; --skipped lists why")


def _print(comparison: Comparison, tables: PublishedTables) -> None:
    print_table(ERROR_HEADER, error_rows(comparison), title="Relative errors, predicted / measured - 1")
    print_table(FIT_HEADER, fit_rows(comparison), title="Rows by use of their table")
    if ranking := ranking_rows(comparison):
        print_table(RANKING_HEADER, ranking, title="Alternatives of one model on as many devices")
    if memory := memory_rows(comparison):
        print_table(MEMORY_HEADER, memory, title="Memory")
    for file, reason in tables.skipped_files.items():
        click.echo(f"skipped file {file}: {reason}", err=True)
    for warning in comparison.warnings:
        click.echo(f"warning: {warning}", err=True)
