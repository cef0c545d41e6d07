"""`simdl validate kernels`: the cost model against tables of measured kernels."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import pandas as pd

from planner.console.output import print_json, print_table
from planner.console.output_files import force_option, report_option
from planner.console.refusals import bad_input, reporting_errors
from planner.pages.page import report_path, write_page
from simdl.errors import SimdlError
from validation.judging.statistics import error_sentence, error_statistics
from validation.judging.tables import counted, json_rows
from validation.kernels.compare import (
    KernelSummary,
    compare_kernels,
    kernel_tables,
    summarize_kernels,
)

HEADER = ("file", "device", "rows", "median", "mean", "p90", "bias", "family", "algorithm", "skipped")


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    show_default="the published tables",
    help="A table of kernels or a folder of them.",
)
@report_option
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: every row, and the summary.")
@reporting_errors()
def kernels(data: Path | None, *, report_directory: Path | None, force: bool, as_json: bool) -> None:
    """Compare the cost model with measured matrix products, convolutions, attention and vector kernels.

    Errors are predicted / measured time - 1 of rows used in the fit and of rows held out. Family and
    algorithm say how often the convolution algorithm that the model finds fastest is the one the library
    chose.
    """
    page_path = report_path(report_directory, "validate-kernels", force=force)
    try:
        results = compare_kernels(kernel_tables(data))
    except SimdlError as error:
        raise bad_input(error) from None
    summaries = summarize_kernels(results)
    answer = {"rows": _rows(results), "summary": [_entry(s) for s in summaries]}
    errors = [_cells(summary) for summary in summaries if summary.fitted.n or summary.held_out.n]
    reasons = [(count, reason) for reason, count in counted(results["skipped"]).items()]
    if page_path is not None:
        from validation.kernels.page import kernels_page  # noqa: PLC0415 - plotly, only where asked for

        write_page(kernels_page(reasons, answer), page_path)
    if as_json:
        print_json(answer)
        return
    told = error_statistics(results["measured"], results["predicted"])
    click.echo(error_sentence("kernels", told, skipped=int(results["skipped"].notna().sum())))
    print_table(HEADER, errors, title="Relative errors of time, % (fitted / held out)")
    print_table(("rows", "skipped because"), reasons, title="Skipped rows")


def _rows(results: pd.DataFrame) -> list[dict[str, Any]]:
    items = (results["device"] + " " + results["item"]).str.strip()
    measured = results["measured"].where(results["measured"] > 0)
    return json_rows(results.assign(item=items, measured=measured, unit="s"))


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
