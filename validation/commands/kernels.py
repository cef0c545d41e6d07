"""``simdl validate kernels``: the cost model against tables of measured kernels."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from simdl.errors import SimdlError
from validation.kernels import (
    KernelResult,
    KernelSummary,
    compare_kernels,
    kernel_tables,
    summarize_kernels,
)
from validation.statistics import ErrorStatistics

WIDTH = 140
"""Characters of a table that is not printed to a terminal."""


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    help="A table of kernels or a folder of them; the published tables by default.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def kernels(data: Path | None, as_json: bool) -> None:
    """Compare the cost model with measured matrix products, convolutions, attention and vector kernels."""
    try:
        results = compare_kernels(kernel_tables(data))
    except SimdlError as fault:
        raise click.UsageError(str(fault)) from fault
    summaries = summarize_kernels(results)
    if as_json:
        click.echo(
            json.dumps({"rows": [_row(r) for r in results], "summary": [_entry(s) for s in summaries]})
        )
    else:
        terminal = Console()
        console = terminal if terminal.is_terminal else Console(width=WIDTH)
        console.print(_table([s for s in summaries if s.fitted.n or s.held_out.n]))
        console.print(_reasons(summaries))


def _row(result: KernelResult) -> dict[str, Any]:
    row = result.row
    return {
        "file": row.file,
        "row": row.row,
        "item": f"{row.device} {row.item}".strip(),
        "measured": row.measured or None,
        "predicted": result.predicted if result.skipped is None else None,
        "unit": "s",
        "skipped": result.skipped,
    }


def _entry(summary: KernelSummary) -> dict[str, Any]:
    return {
        "file": summary.file,
        "device": summary.device,
        "fitted": _errors(summary.fitted),
        "held_out": _errors(summary.held_out),
        "agreement": summary.agreement,
        "skipped": dict(summary.skipped),
    }


def _errors(statistics: ErrorStatistics) -> dict[str, float]:
    return {name: getattr(statistics, name) for name in ("n", "mean", "median", "p90", "max", "bias")}


def _reasons(summaries: Sequence[KernelSummary]) -> Table:
    counts = Counter[str]()
    for summary in summaries:
        counts.update(dict(summary.skipped))
    table = Table("rows skipped", "reason")
    for reason, count in counts.most_common():
        table.add_row(str(count), reason)
    return table


def _table(summaries: Sequence[KernelSummary]) -> Table:
    table = Table(title="kernels: error of predicted time, % (fitted / held out)")
    for heading in ("file", "device", "rows", "median", "mean", "p90", "bias", "same family", "skipped"):
        table.add_column(heading, justify="left" if heading in {"file", "device"} else "right")
    for summary in summaries:
        table.add_row(*_cells(summary))
    return table


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
        "" if summary.agreement is None else f"{100 * summary.agreement:.0f} %",
        str(sum(count for _, count in summary.skipped)),
    )
