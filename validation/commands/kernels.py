"""`simdl validate kernels`: the cost model against tables of measured kernels."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pandas as pd

from planner.console.output import print_json, print_table
from planner.console.output_files import answer_options
from planner.console.refusals import reporting_errors
from planner.pages.page import report_path, write_page
from validation.judging.statistics import error_sentence, error_statistics
from validation.judging.tables import counted, json_rows
from validation.kernels.compare import (
    KernelSummary,
    compare_kernels,
    kernel_tables,
    summarize_kernels,
)

if TYPE_CHECKING:
    from validation.fit.left_out_kernels import KernelErrors

LEFT_OUT_HEADER = (
    "kernels",
    "device",
    "rows",
    "fitted: median",
    "mean",
    "left out: median",
    "mean",
    "bias",
)
HEADER = ("file", "device", "rows", "median", "mean", "p90", "bias", "family", "algorithm", "skipped")


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    show_default="the published tables",
    help="A table of kernels or a folder of them.",
)
@click.option(
    "--leave-out",
    type=click.Choice(["device"]),
    help="Predict each device from the tables of the others, by its architecture.",
)
@answer_options("Print JSON: every row, and the summary.")
@reporting_errors()
def kernels(
    data: Path | None, *, leave_out: str | None, report_directory: Path | None, force: bool, as_json: bool
) -> None:
    """Compare the cost model with measured matrix products, convolutions, attention and vector kernels.

    Errors are predicted / measured time - 1 of rows used in the fit and of rows held out. Family and
    algorithm say how often the convolution algorithm that the model finds fastest is the one the library
    chose. With --leave-out the fractions of every device are refitted on its own rows, and each device is
    predicted with those that the others tell of its architecture; about two minutes.
    """
    page_path = report_path(report_directory, "validate-kernels", force=force)
    paths = kernel_tables(data)
    if leave_out is not None:
        _leave_out(paths, page_path, as_json=as_json)
        return
    results = compare_kernels(paths)
    summaries = summarize_kernels(results)
    told = error_statistics(results["measured"], results["predicted"])
    answer = {
        "headline": error_sentence("kernels", told, skipped=int(results["skipped"].notna().sum())),
        "rows": _rows(results),
        "summary": [_entry(s) for s in summaries],
    }
    errors = [_cells(summary) for summary in summaries if summary.fitted.n or summary.held_out.n]
    reasons = [(count, reason) for reason, count in counted(results["skipped"]).items()]
    if page_path is not None:
        from validation.kernels.page import kernels_page  # noqa: PLC0415 - plotly, only where asked for

        write_page(kernels_page(reasons, answer), page_path)
    if as_json:
        print_json(answer)
        return
    click.echo(answer["headline"])
    print_table(HEADER, errors, title="Relative errors of time, % (fitted / held out)")
    print_table(("rows", "skipped because"), reasons, title="Skipped rows")


def _leave_out(paths: Sequence[Path], page_path: Path | None, *, as_json: bool) -> None:
    """Answer with the errors of every device predicted from the others.

    Raises:
        MeasurementError: a table cannot be read, or there are fewer than two devices.
    """
    from validation.fit.left_out_kernels import leave_out_devices, left_out_errors  # noqa: PLC0415 - where asked

    results = leave_out_devices(paths)
    errors = left_out_errors(results)
    rows = [left_out_cells(entry) for entry in errors]
    told = error_statistics(results["measured"], results["left_out"])
    answer = {
        "headline": error_sentence("kernels of devices left out of the fit", told),
        "leave_out": "device",
        "rows": _rows(results, "kind", "left_out"),
        "summary": [asdict(entry) for entry in errors],
    }
    if page_path is not None:
        from validation.kernels.page import left_out_page  # noqa: PLC0415 - plotly, only where asked for

        write_page(left_out_page(LEFT_OUT_HEADER, rows, answer), page_path)
    if as_json:
        print_json(answer)
        return
    click.echo(answer["headline"])
    print_table(LEFT_OUT_HEADER, rows, title="Relative errors of time: with the device's tables and without")


def left_out_cells(entry: "KernelErrors") -> tuple[str, ...]:
    """A kind of kernel on a device as a row of text."""
    fitted, left_out = entry.fitted, entry.left_out
    shares = (fitted.median, fitted.mean, left_out.median, left_out.mean)
    return (
        entry.kind,
        entry.device,
        str(left_out.n),
        *(f"{share:.1%}" for share in shares),
        f"{left_out.bias:+.1%}",
    )


def _rows(results: pd.DataFrame, *more: str) -> list[dict[str, Any]]:
    items = (results["device"] + " " + results["item"]).str.strip()
    measured = results["measured"].where(results["measured"] > 0)
    return json_rows(results.assign(item=items, measured=measured, unit="s"), *more)


def _entry(summary: KernelSummary) -> dict[str, Any]:
    return {
        "file": summary.file,
        "device": summary.device,
        "fitted": asdict(summary.fitted) if summary.fitted.n else None,
        "held_out": asdict(summary.held_out) if summary.held_out.n else None,
        "same_family": summary.same_family,
        "same_algorithm": summary.same_algorithm,
        "skipped": dict(summary.skipped),
    }


def _cells(summary: KernelSummary) -> tuple[str, ...]:
    fitted, held_out = summary.fitted, summary.held_out

    def both(name: str) -> str:
        values = (f"{100 * getattr(s, name):.1f}" if s.n else "-" for s in (fitted, held_out))
        return " / ".join(values)

    return (
        summary.file.removesuffix(".csv"),
        summary.device,
        f"{fitted.n} / {held_out.n}",
        both("median"),
        both("mean"),
        both("p90"),
        both("bias"),
        _share(summary.same_family),
        _share(summary.same_algorithm),
        str(sum(summary.skipped.values())),
    )


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
