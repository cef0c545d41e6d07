"""`simdl validate collectives`: predict every row of collective sweeps and score the predictions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from planner.console import print_json, print_table
from planner.output_files import force_option, report_option
from planner.refusals import bad_input, reporting_errors
from planner.report_page import report_path, write_page
from validation.collective_sweeps.compare import RowResult, predict_sweeps, statistics_of, summary_groups
from validation.errors import MeasurementError

ERROR_HEADER = ("rows of", "predicted", "skipped", "median", "mean", "p90", "max", "bias")
REASON_HEADER = ("rows", "sweep", "reason")


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="CSV file with the columns of collective_sweeps.csv, or a folder.",
    show_default="the project's own",
)
@report_option
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: every row, and the summary.")
@reporting_errors()
def collectives(data: Path | None, *, report_directory: Path | None, force: bool, as_json: bool) -> None:
    """Predict published collective sweeps and compare with what was measured.

    The error of a row is predicted / measured time - 1. The machine of a row follows from its text; a row
    that names no known device or fabric is skipped, and says why. Sweeps that took no part in the fit are
    reported apart.
    """
    page_path = report_path(report_directory, "validate-collectives", force=force)
    try:
        results = predict_sweeps(None if data is None else sweep_files(data))
    except MeasurementError as error:
        raise bad_input(error) from None
    answer, errors, reasons = report(results), error_rows(results), reason_rows(results)
    if page_path is not None:
        from validation.collective_sweeps.page import collectives_page  # noqa: PLC0415 - plotly, where asked for

        write_page(collectives_page(ERROR_HEADER, errors, REASON_HEADER, reasons, answer), page_path)
    if as_json:
        print_json(answer)
        return
    print_table(ERROR_HEADER, errors, title="Relative errors of time, predicted / measured - 1")
    if reasons:
        print_table(REASON_HEADER, reasons, title="Skipped rows")
    for warning, count in Counter(text for result in results for text in result.warnings).items():
        click.echo(f"warning: {count} rows: {warning}", err=True)


def sweep_files(path: Path) -> list[Path]:
    """The file itself, or the CSV files of a folder.

    Raises:
        MeasurementError: there is none.
    """
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise MeasurementError(f"{path}: no CSV file in this folder; expected collective sweeps")
    return files


def report(results: Sequence[RowResult]) -> dict[str, Any]:
    """The JSON of the command."""
    return {
        "rows": [_row(result) for result in results],
        "summary": {
            name: {
                "predicted": sum(result.predicted is not None for result in group),
                "skipped": sum(result.skipped is not None for result in group),
                **asdict(statistics_of(group)),
            }
            for name, group in summary_groups(results).items()
        },
    }


def _row(result: RowResult) -> dict[str, Any]:
    return {
        "file": result.file,
        "row": result.row,
        "item": result.item,
        "measured": result.measured,
        "predicted": result.predicted,
        "unit": "s",
        "skipped": result.skipped,
        "algorithm": result.algorithm,
        "fitted": result.fitted,
        "warnings": list(result.warnings),
    }


def error_rows(results: Sequence[RowResult]) -> list[tuple[str, ...]]:
    """One row of text per summary group."""
    rows = []
    for name, group in summary_groups(results).items():
        errors = statistics_of(group)
        shares = (errors.median, errors.mean, errors.p90, errors.max)
        rows.append(
            (
                name,
                str(errors.n),
                str(sum(result.skipped is not None for result in group)),
                *(f"{share:.1%}" for share in shares),
                f"{errors.bias:+.1%}",
            )
        )
    return rows


def reason_rows(results: Sequence[RowResult]) -> list[tuple[str, ...]]:
    """How many rows of each sweep were skipped, and why."""
    counted = Counter(
        (result.item.split()[0], result.skipped) for result in results if result.skipped is not None
    )
    return [(str(count), sweep, reason) for (sweep, reason), count in counted.items()]
