"""`simdl calibrate`: measure this machine and fit a profile to it."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hardware.units import format_quantity
from planner.console.output import print_json, print_table
from planner.console.output_files import answer_options
from planner.console.refusals import reporting_errors
from planner.pages.page import report_path, write_page
from validation.calibration.outcome import (
    Agreement,
    FamilyError,
    contention,
    family_errors,
    skipped_cases,
)
from validation.calibration.session import Calibration, is_over, run_calibration, start_anew
from validation.calibration.verdict import Word, agreements, verdict, verdict_line
from validation.errors import MeasurementError
from validation.microbenchmarks.backends import BACKENDS, default_backend, load_backend, resolve_device
from validation.microbenchmarks.session import Order, describe, measurements_name

ERRORS = ("kernels", "rows fitted", "median error", "rows held out", "median error", "90 %")
STOPPED = 130
"""Exit status of a command that was interrupted."""


@click.command()
@click.option("--device", default="auto", show_default=True, help="auto, cpu, or cuda:N such as cuda:0.")
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    show_default="numpy on the processor, cupy on a GPU",
    help="Library whose kernels are timed; `simdl validate hardware` needs a profile of torch.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Fewer shapes and samples: two and a half minutes, not ten; twice as long where others work.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Directory of measurements, profiles and tables, such as here.",
)
@answer_options()
@reporting_errors()
def calibrate(
    *,
    device: str,
    backend: str | None,
    quick: bool,
    out: Path,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Measure kernels, copies and collectives of this machine and fit a profile to them.

    Writes raw measurements (CSV), a profile (TOML) whose numbers cite them, residuals, and tables of
    convolutions for `simdl microbatch --table`. The profile is a cluster file: give it to --cluster. An
    interrupted run goes on where it stopped, in whichever stage. With --force an earlier run in the same
    directory, whole or not, is measured anew, and how far the two lie apart is said. The last lines say
    whether the profile is usable, noisy or not usable, which ends with status 1, and why.
    """
    page_path = report_path(report_directory, "calibrate", force=force, beside=out)
    place = resolve_device(device)
    name = backend or default_backend(place)
    order = Order(out=out, device=place, backend=name, quick=quick)
    facts = load_backend(name, place).facts()
    _check(out, place, force=force)
    try:
        found = run_calibration(order, facts)
    except KeyboardInterrupt:
        click.echo(f"Stopped; what was measured is kept in {out}, and the same command goes on.", err=True)
        sys.exit(STOPPED)
    answer = {
        "headline": " ".join(map(_sentence, found)),
        "calibrations": [_record(each) for each in found],
    }
    unusable = any(verdict(each).word is Word.NOT_USABLE for each in found)
    if page_path is not None:
        from validation.calibration.page import calibrations_page  # noqa: PLC0415 - plotly, only if asked for

        write_page(calibrations_page(found, answer), page_path)
    if as_json:
        print_json(answer)
    else:
        _print_all(found, _assumptions(place, backend, name))
    sys.exit(1 if unusable else 0)


def _print_all(found: Sequence[Calibration], assumptions: Sequence[str]) -> None:
    for each in found:
        _print(each)
    for text in assumptions:
        click.echo(text)
    for each in found:
        click.echo(verdict_line(each))


def _check(out: Path, device: str, *, force: bool) -> None:
    """Refuse to measure over a whole run unless asked to, and what is no directory and cannot be made one.

    Raises:
        MeasurementError: one of the two.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise MeasurementError(f"--out {out}: is a file; expected a directory") from None
    except OSError as error:
        raise MeasurementError(f"--out {out}: {error.strerror}; expected a directory to write to") from None
    if force:
        start_anew(out, device)
    elif is_over(out, device):
        path = out / measurements_name(1)
        raise MeasurementError(f"{path}: exists; expected a new directory, or --force to measure again")


def _assumptions(device: str, backend: str | None, name: str) -> list[str]:
    said = [] if backend else [f"assumed: backend {name} (the usual one on {device})"]
    if name == "numpy":
        said.append("note: `simdl validate hardware` trains with PyTorch; it needs --backend torch")
    return said


def _record(found: Calibration) -> dict[str, Any]:
    fitted = found.fitted
    rounds, runs = agreements(found)
    return {
        "setting": {**asdict(fitted.setting), "software": dict(fitted.setting.software)},
        "files": [str(path) for path in found.files],
        "measurements": len(found.measurements),
        "unreadable": list(found.faults),
        "peak_flop_rate": dict(fitted.peak),
        "memory_bandwidth": fitted.bandwidth,
        "link": None if fitted.link is None else asdict(fitted.link),
        "software": dict(fitted.software.seconds),
        "contention": dict(contention(found.measurements)),
        "errors": [asdict(row) for row in family_errors(found.residuals)],
        "rounds": None if rounds is None else asdict(rounds),
        "previous_run": None if runs is None else asdict(runs),
        "steadiness": None if fitted.steadiness is None else asdict(fitted.steadiness),
        "others_load": found.others,
        "verdict": asdict(verdict(found)),
        "skipped": [
            {"family": family, "reason": reason, "cases": count}
            for (family, reason), count in skipped_cases(found.measurements).items()
        ],
    }


def _print(found: Calibration) -> None:
    click.echo(_sentence(found))
    errors = [_cells(row) for row in family_errors(found.residuals)]
    print_table(ERRORS, errors, title=describe(found.fitted.setting))
    for line in _lines(found):
        click.echo(line)


def _sentence(found: Calibration) -> str:
    """What was fitted on how much, and how far off it is where it was not fitted."""
    rows = family_errors(found.residuals)
    fitted, held = sum(row.fitted for row in rows), sum(row.held_out for row in rows)
    setting, word = describe(found.fitted.setting), verdict(found).word.value
    told = f"The profile of {setting} is {word}: it is fitted on {fitted} rows of kernels"
    errors = {row.held_out_median: row.family for row in rows if row.held_out_median is not None}
    if not errors:
        return f"{told}; none were held out of the fit."
    best, worst = min(errors), max(errors)
    return (
        f"{told} and predicts the {held} held out with a median error of {best:.1%} ({errors[best]}) to "
        f"{worst:.1%} ({errors[worst]})."
    )


def _cells(row: FamilyError) -> tuple[str, ...]:
    return (
        row.family,
        str(row.fitted),
        _share(row.fitted_median),
        str(row.held_out),
        _share(row.held_out_median),
        _share(row.held_out_p90),
    )


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _lines(found: Calibration) -> Sequence[str]:
    fitted = found.fitted
    lines = [f"fastest product: {format_quantity(r, 'flop_rate')} {d}" for d, r in fitted.peak.items()]
    lines.append(f"copies: {format_quantity(fitted.bandwidth, 'bandwidth')} read and written")
    if fitted.link is not None:
        rate = format_quantity(fitted.link.bandwidth, "bandwidth")
        lines.append(f"between processes: {format_quantity(fitted.link.latency, 'time')}, {rate}")
    lines += [
        f"beside kernels: {name} {format_quantity(seconds, 'time')}"
        for name, seconds in fitted.software.seconds.items()
    ]
    lines += [
        f"{name} beside copies: {r:.2f} times as long" for name, r in contention(found.measurements).items()
    ]
    rounds, runs = agreements(found)
    if rounds is not None:
        lines.append(_agreement(rounds, "rounds of this run lie apart by"))
    if fitted.steadiness is not None:
        lines.append(f"speed of the machine meanwhile wandered by {fitted.steadiness.drift:.1%}")
    if runs is not None:
        lines.append(_agreement(runs, "this run differs from the one before by"))
    lines += [
        f"skipped: {count} of {family}: {reason}"
        for (family, reason), count in skipped_cases(found.measurements).items()
    ]
    lines += [f"warning: {fault}" for fault in found.faults]
    lines.append("written: " + ", ".join(str(path) for path in found.files))
    return lines


def _agreement(found: Agreement, said: str) -> str:
    return f"{said} {found.median:.1%} in the median, {found.p90:.1%} at 90 % ({found.cases} cases)"
