"""`simdl validate collectives`: predict every row of collective sweeps and score the predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pandas as pd

from planner.console.output import print_json, print_table
from planner.console.output_files import answer_options
from planner.console.refusals import reporting_errors
from planner.pages.page import report_path, write_page
from validation.errors import MeasurementError
from validation.judging.statistics import ErrorStatistics, error_sentence, error_statistics
from validation.judging.tables import json_rows
from validation.sweeps.compare import (
    Measured,
    SweepSummary,
    measured_rows,
    predict_sweeps,
    summarize_sweeps,
)
from validation.sweeps.rows import SweepRow

if TYPE_CHECKING:
    from validation.fit.left_out import LeftOut

ERROR_HEADER = ("rows of", "predicted", "skipped", "median", "mean", "p90", "max", "bias")
LEFT_OUT_HEADER = (
    "rows on",
    "1 MiB and more",
    "fitted: median",
    "mean",
    "left out: median",
    "mean",
    "bias",
    "below 1 MiB",
    "fitted: median",
    "left out: median",
)
REASON_HEADER = ("rows", "sweep", "reason")


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="CSV file with the columns of collective_sweeps.csv, or a folder.",
    show_default="the project's own",
)
@click.option(
    "--leave-out",
    type=click.Choice(["fabric"]),
    help="Refit links and libraries without each fabric in turn, and predict it.",
)
@answer_options("Print JSON: every row, and the summary.")
@reporting_errors()
def collectives(
    data: Path | None, *, leave_out: str | None, report_directory: Path | None, force: bool, as_json: bool
) -> None:
    """Predict published collective sweeps and compare with what was measured.

    The error of a row is predicted / measured time - 1. The machine of a row follows from its text; a row
    that names no known device or fabric is skipped, and says why. Sweeps that took no part in the fit are
    reported apart. With --leave-out the fit is repeated without all rows that cross a fabric, and its rows,
    those whose outermost link it is, are predicted by that fit.
    """
    page_path = report_path(report_directory, "validate-collectives", force=force)
    files = None if data is None else sweep_files(data)
    if leave_out is not None:
        _leave_out(files, page_path, as_json=as_json)
        return
    results = predict_sweeps(files)
    summaries = summarize_sweeps(results)
    answer, errors, reasons = report(results, summaries), error_rows(summaries), reason_rows(results)
    if page_path is not None:
        from validation.sweeps.page import collectives_page  # noqa: PLC0415 - plotly, where asked for

        write_page(collectives_page(ERROR_HEADER, errors, REASON_HEADER, reasons, answer), page_path)
    if as_json:
        print_json(answer)
        return
    click.echo(answer["headline"])
    print_table(ERROR_HEADER, errors, title="Relative errors of time, predicted / measured - 1")
    if reasons:
        print_table(REASON_HEADER, reasons, title="Skipped rows")
    for warning, count in results["warnings"].explode().value_counts(sort=False).items():
        click.echo(f"warning: {count} rows: {warning}", err=True)


def _leave_out(files: list[Path] | None, page_path: Path | None, *, as_json: bool) -> None:
    """Answer with the errors of fits without each fabric.

    Raises:
        MeasurementError: a file is not a table of sweeps, or no row can be placed.
    """
    from validation.fit.left_out import left_out_errors  # noqa: PLC0415 - only where it is asked for

    placed = measured_rows(files)
    if not placed:
        raise MeasurementError(
            "--leave-out fabric: no row of these tables can be placed; expected at least one"
        )
    found = left_out_errors([row for _, row in placed])
    answer, rows = left_out_report(placed, found), left_out_rows(found)
    if page_path is not None:
        from validation.sweeps.page import left_out_page  # noqa: PLC0415 - plotly, where asked for

        write_page(left_out_page(LEFT_OUT_HEADER, rows, answer), page_path)
    if as_json:
        print_json(answer)
        return
    click.echo(answer["headline"])
    title = "Relative errors of time: rows by their outermost link, with it in the fit and without"
    print_table(LEFT_OUT_HEADER, rows, title=title)
    click.echo(f"{found.parameters} numbers fitted, tied by family")


def left_out_report(placed: Sequence[tuple[SweepRow, Measured]], found: "LeftOut") -> dict[str, Any]:
    """The JSON of --leave-out: rows, predicted by the fit without their fabric, and errors by fabric."""
    rows = [
        {
            "file": cells.file,
            "row": cells.row,
            "item": cells.item,
            "measured": row.time,
            "predicted": float(left_out),
            "predicted_fitted": float(fitted),
            "unit": "s",
            "skipped": None,
            "fabric": row.fabric,
            "fitted": row.fitted,
            "size": row.size,
        }
        for (cells, row), fitted, left_out in zip(placed, found.fitted, found.left_out, strict=True)
    ]
    groups = ("fitted", "left_out", "small_fitted", "small_left_out")
    names = ("at_least_1_mib_fitted", "at_least_1_mib_left_out", "below_1_mib_fitted", "below_1_mib_left_out")
    summary = {
        fabric: {name: asdict(getattr(errors, group)) for name, group in zip(names, groups, strict=True)}
        for fabric, errors in found.errors.items()
    }
    told = error_statistics([row["measured"] for row in rows], [row["predicted"] for row in rows])
    headline = error_sentence("collectives on fabrics left out of the fit", told)
    return {
        "headline": headline,
        "leave_out": "fabric",
        "parameters": found.parameters,
        "rows": rows,
        "summary": summary,
    }


def left_out_rows(found: "LeftOut") -> list[tuple[str, ...]]:
    """One row of text per fabric."""

    def text(errors: ErrorStatistics, *shares: float) -> list[str]:
        return [f"{share:.1%}" if errors.n else "-" for share in shares]

    return [
        (
            fabric,
            str(errors.left_out.n),
            *text(errors.fitted, errors.fitted.median, errors.fitted.mean),
            *text(errors.left_out, errors.left_out.median, errors.left_out.mean, errors.left_out.bias),
            str(errors.small_left_out.n),
            *text(errors.small_fitted, errors.small_fitted.median),
            *text(errors.small_left_out, errors.small_left_out.median),
        )
        for fabric, errors in found.errors.items()
    ]


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
    overall = summaries["overall"]
    return {
        "headline": error_sentence("collectives", overall.errors, skipped=overall.skipped),
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
