"""A calibration from the first measurement to the last file.

For every number of processes: ``measurements-N.csv``, ``profile-N.toml`` and ``residuals-N.csv``; for one
process also a table of convolutions per network. Each file is written whole or not at all.
"""

import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hardware.profiles import load_cluster
from simdl.atomic_write import write_atomically
from simdl.kernels.convolution_table import format_convolution_table
from validation.calibration.calibrate import calibrate
from validation.calibration.host_load import others_load, read_clock
from validation.calibration.measuring import measure_apart, process_counts
from validation.calibration.profile import Fitted, device_name, format_profile
from validation.calibration.residual import Residual
from validation.calibration.tables import convolution_tables
from validation.errors import MeasurementError
from validation.microbenchmarks.backend import DeviceFacts
from validation.microbenchmarks.case import format_dims
from validation.microbenchmarks.journal import Journal, partial_path, read_journal
from validation.microbenchmarks.measurement import Measurement
from validation.microbenchmarks.session import Order, measurements_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """One setting, measured and fitted.

    Attributes:
        measurements: all rows.
        before: rows of the run that this one replaces; empty if there was none.
        faults: lines of the file that could not be read.
        fitted: what the profile says.
        residuals: of every kernel.
        files: written, by what they are.
        others: cores that others kept busy while it was measured; None where nobody tells or it was before.
    """

    measurements: tuple[Measurement, ...]
    before: tuple[Measurement, ...]
    faults: tuple[str, ...]
    fitted: Fitted
    residuals: tuple[Residual, ...]
    files: tuple[Path, ...]
    others: float | None = None


def profile_name(processes: int) -> str:
    """Name of the profile of a number of processes."""
    return f"profile-{processes}.toml"


def run_calibration(order: Order, facts: DeviceFacts) -> tuple[Calibration, ...]:
    """Measure and fit every number of processes that the device is measured with.

    Args:
        order: where to, and how much; its number of processes is not used.
        facts: of the device.

    Raises:
        MeasurementError: measuring failed, or left too little to fit.
        SimdlError: a file cannot be written.
    """
    found = []
    counts = process_counts(order.device)
    for number, processes in enumerate(counts, start=1):
        path = order.out / measurements_name(processes)
        before = _before(before_path(path))
        others = None
        if is_measured(path):
            check_same(path, order, facts)
        else:
            sys.stderr.write(f"stage {number} of {len(counts)}: measuring with {_in_words(processes)}\n")
            started = read_clock()
            path = measure_apart(replace(order, processes=processes))
            others = others_load(started, read_clock())
        found.append(replace(fit_file(path, facts, before=before), others=others))
    for processes in counts:
        before_path(order.out / measurements_name(processes)).unlink(missing_ok=True)
    return tuple(found)


def _in_words(processes: int) -> str:
    return "1 process" if processes == 1 else f"{processes} processes at once"


def is_measured(path: Path) -> bool:
    """Whether a file of measurements is whole, and none that was begun later is not."""
    return path.exists() and not partial_path(path).exists()


def is_over(out: Path, device: str) -> bool:
    """Whether a directory holds a run with nothing left to measure or to fit."""
    counts = process_counts(device)
    whole = all(is_measured(out / measurements_name(processes)) for processes in counts)
    return whole and all((out / f"residuals-{processes}.csv").exists() for processes in counts)


def start_anew(out: Path, device: str) -> None:
    """Put whole measurements aside, to be compared with, and let go of those that were not over."""
    for processes in process_counts(device):
        path = out / measurements_name(processes)
        partial_path(path).unlink(missing_ok=True)
        (out / f"residuals-{processes}.csv").unlink(missing_ok=True)
        if path.exists():
            path.replace(before_path(path))


def continue_later(out: Path, device: str) -> None:
    """Let the next run of this directory measure further rounds, beside those that there are."""
    for processes in process_counts(device):
        path = out / measurements_name(processes)
        path.replace(partial_path(path))


def before_path(path: Path) -> Path:
    """Where the measurements that a run replaces wait for its end."""
    return path.with_name(f"{path.name}.before")


def check_same(path: Path, order: Order, facts: DeviceFacts) -> None:
    """Refuse to go on with measurements of another device or library.

    Raises:
        MeasurementError: they are, or there are none.
    """
    rows = read_journal(path).measurements
    setting = rows[0].setting if rows else None
    if setting is None or (setting.device, setting.backend) != (facts.name, order.backend):
        found = "no measurements" if setting is None else f"{setting.backend} on {setting.device}"
        raise MeasurementError(
            f"{path}: found {found}; expected {order.backend} on {facts.name}: choose another directory, or "
            "--force to measure again"
        )


def _before(path: Path) -> tuple[Measurement, ...]:
    return read_journal(path).measurements if path.exists() else ()


def fit_file(path: Path, facts: DeviceFacts, *, before: Sequence[Measurement] = ()) -> Calibration:
    """Fit a file of measurements and write what follows from it beside it.

    Raises:
        MeasurementError: the file cannot be read, or holds too little to fit.
        SimdlError: a file cannot be written.
    """
    journal: Journal = read_journal(path)
    fitted, residuals = calibrate(journal.measurements, facts, path.name)
    processes = fitted.setting.processes
    profile = path.with_name(profile_name(processes))
    write_atomically(profile, format_profile(fitted), what="profile")
    load_cluster.cache_clear()  # a profile of this name may have been read before
    load_cluster(str(profile))
    rest = path.with_name(f"residuals-{processes}.csv")
    write_atomically(rest, format_residuals(residuals), what="residuals")
    tables = _write_tables(path.parent, journal.measurements, fitted) if processes == 1 else []
    return Calibration(
        measurements=journal.measurements,
        before=tuple(before),
        faults=journal.faults,
        fitted=fitted,
        residuals=residuals,
        files=(path, profile, rest, *tables),
    )


def format_residuals(residuals: Sequence[Residual]) -> str:
    """A CSV with a row for every kernel that was measured."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("kernel", "shape", "flops", "nbytes", "held_out", "measured_s", "predicted_s", "error"))
    for row in residuals:
        kernel = row.timed.kernel
        writer.writerow(
            (
                row.key,
                shape_text(row),
                f"{kernel.flops:.0f}",
                f"{kernel.nbytes:.0f}",
                "yes" if row.timed.held_out else "no",
                f"{row.timed.seconds:.6g}",
                f"{row.predicted:.6g}",
                f"{row.error:.4f}",
            )
        )
    return text.getvalue()


def shape_text(row: Residual) -> str:
    """Dimensions of the measured kernel, such as ``rows=8 outputs=512 inputs=512``."""
    return format_dims(row.timed.dims)


def _write_tables(folder: Path, measurements: Sequence[Measurement], fitted: Fitted) -> list[Path]:
    written = []
    for network, rows in convolution_tables(measurements, device_name(fitted.setting)).items():
        path = folder / f"convolutions-{network}.csv"
        write_atomically(path, format_convolution_table(rows), what="table of convolutions")
        written.append(path)
    return written
