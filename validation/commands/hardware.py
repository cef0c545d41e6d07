"""`simdl validate hardware`: real training steps on this machine against the simulator."""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hardware.units import format_quantity
from planner.console.format import format_seconds
from planner.console.output import print_json, print_table
from planner.console.output_files import answer_options
from planner.console.refusals import reporting_errors
from planner.pages.page import report_path, write_page
from validation.errors import MeasurementError
from validation.judging.statistics import ErrorStatistics, error_sentence, error_statistics
from validation.microbenchmarks.backend import DeviceFacts
from validation.microbenchmarks.backends import load_backend, resolve_device
from validation.real_steps.cases import HardwareCase, hardware_cases
from validation.real_steps.load import (
    agreeing_errors,
    busiest,
    calibrated_errors,
    drift_sentence,
    is_within,
    load_sentence,
    own_cores,
    row_interval,
    steady_errors,
)
from validation.real_steps.own_calibration import OwnCalibration
from validation.real_steps.rounds import FULL_LIMIT, LIMIT, train_all
from validation.real_steps.runs import HardwareRow, describe, load_profiles

HEADER = (
    "case",
    "predicted",
    "90 % within",
    "measured",
    "error",
    "machine slower by",
    "error at calibrated speed",
    "spread",
    "others' cores",
    "memory predicted",
    "measured",
    "error",
)
STOPPED = 130
"""Exit status of a command that was interrupted."""
SUMMARY = ("", "cases", "median", "mean", "90 %", "worst", "bias")


@click.command()
@click.option(
    "--profile",
    type=click.Path(path_type=Path),
    show_default="calibrate quickly first",
    help="A directory that `simdl calibrate --backend torch` wrote, or one profile of it.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, or cuda:N such as cuda:0.")
@click.option(
    "--full", is_flag=True, help="All cases, also those of the same causes: about a quarter of an hour."
)
@click.option(
    "--case",
    "wanted",
    multiple=True,
    metavar="TEXT",
    help="Only cases whose name holds this text, such as 'mlp' or 'dp 2'; may be given several times.",
)
@answer_options("Print JSON: every row, and the summary.")
@reporting_errors()
def hardware(
    *,
    profile: Path | None,
    device: str,
    full: bool,
    wanted: tuple[str, ...],
    report_directory: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Train small networks on this machine and compare step time and memory with the simulation.

    The profile has seen kernels, copies and collectives, never a training step. There is a case for every
    cause that a step may spend most on; they take about five minutes, and a quick calibration three, one
    half before the first runs and one before the second. Every case is run twice, far apart, and again
    while time lasts until two runs agree within two per cent or there are four; the quickest counts, by
    the lower quartile of its steps, because what others do only ever adds time. What they do, and how
    fast the machine is beside its calibration, is recorded and said, and widens the interval of a case.
    Needs PyTorch (extra torch).
    """
    page_path = report_path(report_directory, "validate-hardware", force=force)
    place = resolve_device(device)
    cases = _chosen(place, wanted, full=full)
    facts = load_backend("torch", place).facts()
    with tempfile.TemporaryDirectory() as folder:
        own = None if profile else OwnCalibration(Path(folder), place, facts)
        if own is not None:
            click.echo("no --profile: calibrating with PyTorch's kernels first", err=True)
            own.begin()
        profiles = load_profiles(profile or Path(folder), facts)
        rows, stopped = train_all(
            cases,
            profiles,
            place,
            limit=FULL_LIMIT if full else LIMIT,
            say=_say,
            between=own.between() if own else None,
        )
        verdicts = own.verdicts if own else []
    answer = {
        "headline": _sentence(rows, facts),
        "rows": [entry for index, row in enumerate(rows, start=1) for entry in _entries(index, row)],
        "summary": {name: asdict(found) for name, found in _summary(rows).items()},
        "agreeing": asdict(agreeing_errors(rows)),
        "steady": asdict(steady_errors(rows)),
        "speed": drift_sentence(rows),
        "load": {"others": busiest(rows), "cores": own_cores(), "sentence": load_sentence(rows, own_cores())},
        "device": facts.name,
        "calibration": verdicts,
        "profile": None if profile is None else str(profile),
    }
    if page_path is not None:
        from validation.real_steps.page import hardware_page  # noqa: PLC0415 - plotly, only where asked for

        write_page(hardware_page(HEADER, [_cells(row) for row in rows], answer), page_path)
    if as_json:
        print_json(answer)
    else:
        _print(rows, facts)
    if profile is None and not as_json:
        for line in verdicts:
            click.echo(f"calibration: {line}")
        click.echo("assumed: profile of a quick calibration with PyTorch's kernels, made for this run")
    if stopped:
        sys.exit(STOPPED)


def _chosen(device: str, wanted: Sequence[str], *, full: bool) -> Sequence[HardwareCase]:
    """The cases that were asked for; by name among all of them.

    Raises:
        MeasurementError: a text is in the name of none.
    """
    cases = hardware_cases(device, full=full or bool(wanted))
    for text in wanted:
        if not any(text in describe(case) for case in cases):
            names = "; ".join(map(describe, cases))
            raise MeasurementError(
                f"--case {text!r}: in the name of no case; expected part of one of: {names}"
            )
    return [case for case in cases if not wanted or any(text in describe(case) for text in wanted)]


def _say(text: str) -> None:
    click.echo(text, err=True)


def _entries(index: int, row: HardwareRow) -> list[dict[str, Any]]:
    """Two rows of the answer, time and memory; one where the case was skipped."""
    base = {"file": "hardware", "row": index, "item": row.item, "skipped": row.skipped or None}
    if row.predicted is None or row.measured is None:
        return [{**base, "measured": None, "predicted": None, "unit": "s"}]
    interval = row_interval(row, own_cores())
    return [
        {
            **base,
            "measured": row.step_time,
            "predicted": row.predicted.step_time,
            "unit": "s",
            "spread": row.spread,
            "repeats": list(row.repeats),
            "median": row.measured.step_time,
            "others": row.others,
            "slower": row.slower,
            "measured_at_calibrated_speed": row.calibrated_time,
            "interval": None if interval is None else [interval.low, interval.high],
        },
        {
            **base,
            "measured": row.measured.peak_memory,
            "predicted": row.predicted.peak_memory,
            "unit": "B",
        },
    ]


def _summary(rows: Sequence[HardwareRow]) -> dict[str, ErrorStatistics]:
    done = [(row, row.measured, row.predicted) for row in rows if row.measured and row.predicted]
    predicted = [report for *_, report in done]
    return {
        "time": error_statistics([row.step_time for row, *_ in done], [p.step_time for p in predicted]),
        "time_at_calibrated_speed": calibrated_errors(rows),
        "memory": error_statistics([m.peak_memory for _, m, _ in done], [p.peak_memory for p in predicted]),
    }


def _cells(row: HardwareRow) -> tuple[str, ...]:
    if row.predicted is None or row.measured is None:
        return (row.item, *["-"] * (len(HEADER) - 1))
    interval = row_interval(row, own_cores())
    time, memory = row.predicted.step_time, row.predicted.peak_memory
    return (
        row.item,
        format_seconds(time),
        "-" if interval is None else f"{format_seconds(interval.low)} to {format_seconds(interval.high)}",
        format_seconds(row.step_time),
        f"{time / row.step_time - 1:+.1%}",
        "-" if row.slower is None else f"{row.slower:+.1%}",
        "-" if row.calibrated_time is None else f"{time / row.calibrated_time - 1:+.1%}",
        f"{row.spread:.1%}",
        "-" if row.others is None else f"{row.others:.1f}",
        format_quantity(memory, "bytes"),
        format_quantity(row.measured.peak_memory, "bytes"),
        f"{memory / row.measured.peak_memory - 1:+.1%}",
    )


def _sentence(rows: Sequence[HardwareRow], facts: DeviceFacts) -> str:
    skipped = [row.skipped for row in rows if row.skipped]
    return error_sentence(
        f"training steps on {facts.name}",
        _summary(rows)["time"],
        skipped=len(skipped),
        reason=next(iter(skipped), ""),
    )


def _print(rows: Sequence[HardwareRow], facts: DeviceFacts) -> None:
    click.echo(_sentence(rows, facts))
    if load := load_sentence(rows, own_cores()):
        click.echo(load)
    if speed := drift_sentence(rows):
        click.echo(speed)
    print_table(HEADER, [_cells(row) for row in rows], title=f"Training steps on {facts.name}")
    summary = [_summary_line(name.replace("_", " "), found) for name, found in _summary(rows).items()]
    summary.append(_summary_line("time, runs within 3 %", agreeing_errors(rows)))
    summary.append(_summary_line("the same, speed within 3 %", steady_errors(rows)))
    done = [row for row in rows if row.measured and row.predicted]
    within = sum(is_within(row, own_cores()) for row in done)
    print_table(SUMMARY, summary, title="Sizes of relative errors, predicted / measured - 1")
    click.echo(f"measured steps within their interval of 90 %: {within} of {len(done)}")
    for row in rows:
        if row.skipped:
            click.echo(f"skipped: {row.item}: {row.skipped}")


def _summary_line(name: str, found: ErrorStatistics) -> tuple[str, ...]:
    if not found.n:
        return (name, "0", *["-"] * (len(SUMMARY) - 2))
    sizes = (f"{value:.1%}" for value in (found.median, found.mean, found.p90, found.max))
    return (name, str(found.n), *sizes, f"{found.bias:+.1%}")
