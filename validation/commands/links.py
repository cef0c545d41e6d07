"""`simdl validate links`: all-reduce over real links of a known rate against the simulator."""

from pathlib import Path

import click
from click.core import ParameterSource

from hardware.errors import UnitError
from hardware.units import format_quantity
from planner.console.options.option_values import option_quantity
from planner.console.output import print_json, print_table, progress_bar
from planner.console.output_files import answer_options, check_new
from planner.console.refusals import bad_input, reporting_errors
from planner.pages.page import report_path, write_page
from planner.questions.collectives import parse_sizes
from simdl.cores import usable_cores
from validation.real_links.availability import reason_unavailable
from validation.real_links.compare import compare, skipped_rows
from validation.real_links.link_report import (
    ERROR_HEADER,
    HEADER,
    conditions_text,
    error_cells,
    report_json,
    row_cells,
)
from validation.real_links.link_run import SOCKETS, LinkRun
from validation.real_links.measure import ELEMENT, Series, measure
from validation.real_links.moves import GLOO
from validation.real_links.run_table import load_run, write_run

CARRIED = 50e6  # [bytes/s] of links per core: four ranks at 200 Mbit/s left two cores time to spare
SLOWEST = 125e3  # [bytes/s]: 1 Mbit/s
THIS_RUN = "this run"  # in place of a file's name
MEASURING = ("ranks", "rate", "delay", "sizes", "repeats", "out")


@click.command()
@click.option(
    "--ranks",
    type=click.IntRange(2, 64),
    default=4,
    show_default=True,
    help="Processes on the switch, each in a network namespace.",
)
@click.option("--rate", default="200 Mbit/s", show_default=True, help="Rate of each link, per direction.")
@click.option("--delay", help="Delay added to each direction of each link, such as '1 ms'.")
@click.option(
    "--sizes",
    default="64KiB..8MiB",
    show_default=True,
    help="A buffer size, or a range LOW..HIGH whose powers of two are taken.",
)
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Repetitions per algorithm and size.",
)
@click.option("--out", type=click.Path(path_type=Path), help="CSV file for every repetition.")
@click.option("--data", type=click.Path(path_type=Path), help="Compare this CSV file; measure nothing.")
@answer_options("Print JSON: every row, and the summary.")
@click.pass_context
@reporting_errors()
def links(  # noqa: PLR0917 - click passes one argument per option
    context: click.Context,
    ranks: int,
    rate: str,
    delay: str | None,
    sizes: str,
    repeats: int,
    *,
    out: Path | None,
    data: Path | None,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Time transfers and all-reduces on links shaped to a known rate and compare with the simulator.

    Every rank is a process in a network namespace of its own, on a switch. Needs root on Linux with ip and
    tc; says why and ends well where that is missing. Nothing is fitted: the prediction knows the rate, the
    headers of a frame, and the measured latency of a one-byte message.
    """
    page_path = report_path(report_directory, "validate-links", force=force, beside=out)
    if data is not None:
        _refuse_measuring_options(context)
        _print(load_run(data), data.name, page_path, as_json=as_json)
        return
    series = build_series(ranks=ranks, rate=rate, delay=delay, sizes=sizes, repeats=repeats)
    if out is not None:
        _check_place(out, force=force)
    if reason := reason_unavailable(rate=series.rate, delay=series.delay):
        _print_skipped(series, reason, as_json=as_json)
        return
    _warn_of_cores(series)
    with progress_bar("repetitions") as advance:
        run = measure(series, advance)
    if out is not None:
        write_run(run, out)
    _print(run, out.name if out else THIS_RUN, page_path, as_json=as_json)


def _refuse_measuring_options(context: click.Context) -> None:
    given = [name for name in MEASURING if context.get_parameter_source(name) is not ParameterSource.DEFAULT]
    if given:
        options = ", ".join(f"--{name}" for name in given)
        raise bad_input(f"{options} with --data: nothing is measured; expected one or the other")


def build_series(*, ranks: int, rate: str, delay: str | None, sizes: str, repeats: int) -> Series:
    """What the options ask to measure.

    Raises:
        UnitError: no quantity, or one that makes no link or buffer.
    """
    bandwidth = option_quantity("--rate", rate, "bandwidth")
    if bandwidth < SLOWEST:
        raise UnitError(f"--rate {rate!r}: expected at least 1 Mbit/s")
    added = 0.0 if delay is None else option_quantity("--delay", delay, "time")
    if 0 < added < 1e-6:
        raise UnitError(f"--delay {delay!r}: expected 0 s or at least 1 us")
    found = parse_sizes(sizes, "--sizes")
    if odd := [nbytes for nbytes in found if nbytes % ELEMENT]:
        raise UnitError(
            f"--sizes {sizes!r}: {odd[0]} bytes are no whole float32 values; expected multiples of 4"
        )
    return Series(ranks=ranks, rate=bandwidth, delay=added, sizes=tuple(found), repeats=repeats)


def _check_place(out: Path, *, force: bool) -> None:
    """Refuse a place that could not be written to before minutes are spent on measuring."""
    if out.is_dir() or not out.parent.is_dir():
        raise bad_input(f"--out {out}: expected a file in an existing directory")
    check_new(out, force=force, what="file")


def _warn_of_cores(series: Series) -> None:
    cores = usable_cores()
    if series.ranks * series.rate > cores * CARRIED:
        total = format_quantity(series.ranks * series.rate * 8, "bandwidth").replace("B/s", "bit/s")
        click.echo(
            f"warning: links of {total} in all on {cores} cores: the cores may be what is measured",
            err=True,
        )


def _print_skipped(series: Series, reason: str, *, as_json: bool) -> None:
    """Without a measurement there is no page either."""
    if as_json:
        rows = skipped_rows((SOCKETS, GLOO), series.sizes, reason)
        print_json(report_json(rows, None, THIS_RUN))
        return
    click.echo(f"skipped: {reason}")


def _print(run: LinkRun, file: str, page_path: Path | None, *, as_json: bool) -> None:
    rows = compare(run)
    answer = report_json(rows, run.conditions, file)
    if page_path is not None:
        from validation.real_links.page import links_page  # noqa: PLC0415 - plotly, only where asked for

        write_page(links_page(rows, run.conditions, answer), page_path)
    if as_json:
        print_json(answer)
        return
    click.echo(answer["headline"])
    print_table(HEADER, map(row_cells, rows), title=conditions_text(run.conditions))
    print_table(ERROR_HEADER, error_cells(rows), title="Relative errors of time, predicted / measured - 1")
    for reason in dict.fromkeys(f"{row.transport}: {row.skipped}" for row in rows if row.skipped):
        click.echo(f"skipped: {reason}")
