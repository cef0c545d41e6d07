"""`simdl validate collectives`: predict every row of collective sweeps and score the predictions."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import pandas as pd

from planner.console.output import print_json, print_table
from planner.console.output_files import force_option, report_option
from planner.console.refusals import bad_input, reporting_errors
from planner.pages.page import report_path, write_page
from validation.errors import MeasurementError
from validation.judging.tables import json_rows
from validation.sweeps.compare import SweepSummary, predict_sweeps, summarize_sweeps

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
    summaries = summarize_sweeps(results)
    answer, errors, reasons = report(results, summaries), error_rows(summaries), reason_rows(results)
    if page_path is not None:
        from validation.sweeps.page import collectives_page  # noqa: PLC0415 - plotly, where asked for

        write_page(collectives_page(ERROR_HEADER, errors, REASON_HEADER, reasons, answer), page_path)
    if as_json:
        print_json(answer)
        return
    print_table(ERROR_HEADER, errors, title="Relative errors of time, predicted / measured - 1")
    if reasons:
        print_table(REASON_HEADER, reasons, title="Skipped rows")
    for warning, count in results["warnings"].explode().value_counts(sort=False).items():
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


def report(results: pd.DataFrame, summaries: Mapping[str, SweepSummary]) -> dict[str, Any]:
    """The JSON of the command."""
    rows = results.assign(unit="s", warnings=results["warnings"].map(list))
    return {
        "rows": json_rows(rows, "algorithm", "fitted", "warnings"),
        "summary": {
            name: {"predicted": found.predicted, "skipped": found.skipped, **asdict(found.errors)}
            for name, found in summaries.items()
        },
    }


def error_rows(summaries: Mapping[str, SweepSummary]) -> list[tuple[str, ...]]:
    """One row of text per summary group."""
    rows = []
    for name, found in summaries.items():
        errors = found.errors
        shares = (errors.median, errors.mean, errors.p90, errors.max)
        sizes = (f"{share:.1%}" for share in shares)
        rows.append((name, str(errors.n), str(found.skipped), *sizes, f"{errors.bias:+.1%}"))
    return rows


def reason_rows(results: pd.DataFrame) -> list[tuple[str, ...]]:
    """How many rows of each sweep were skipped, and why."""
    skipped = results[results["skipped"].notna()]
    sweeps = skipped["item"].str.split().str[0]
    counts = skipped.groupby([sweeps, skipped["skipped"]], sort=False).size()
    return [(str(count), sweep, reason) for (sweep, reason), count in counts.items()]
