"""Predicts rows of kernel tables and compares them with what was measured.

Some tables time a launch from the host. Their cost per launch is a property of the timer, not of the
device: the shortest row of the same device and operator, less its prediction, is added to every prediction
of that group, and rows of less than ``TIMER_ROWS`` times the shortest are left out, because they measure
little but the timer.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hardware.device import Device
from hardware.errors import HardwareError
from hardware.profiles import load_device
from simdl.cost_model import estimate_kernel_time
from simdl.kernel import ConvolutionCall
from simdl.kernel_costs.convolution_launch import fastest_launch
from validation.errors import MeasurementError
from validation.judging.statistics import ErrorStatistics, error_statistics
from validation.kernels.rows import KernelRow, load_kernel_rows

PUBLISHED = Path(__file__).parents[1] / "published" / "kernels"

TIMER_ROWS = 3.0
"""Rows shorter than this many times the shortest of their group measure mostly the timer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelResult:
    """A row with its prediction.

    Attributes:
        row: what was measured.
        predicted: [s], 0 where skipped.
        algorithm: convolution algorithm that the model chose, ``""`` for other kernels.
        skipped: why it was not predicted, or None.
    """

    row: KernelRow
    predicted: float = 0.0
    algorithm: str = ""
    skipped: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSummary:
    """Errors of one table on one device.

    Attributes:
        file, device: what.
        fitted: rows that took part in fitting.
        held_out: rows that did not.
        same_family: share of convolutions whose modelled algorithm family is the library's; None without any.
        same_algorithm: share of them whose very algorithm is.
        skipped: reasons with their number of rows.
    """

    file: str
    device: str
    fitted: ErrorStatistics
    held_out: ErrorStatistics
    same_family: float | None
    same_algorithm: float | None
    skipped: tuple[tuple[str, int], ...]


def compare_kernels(paths: Iterable[Path]) -> tuple[KernelResult, ...]:
    """Predicts every row of these tables.

    Raises:
        MeasurementError: a table cannot be read.
    """
    rows = [row for path in paths for row in load_kernel_rows(path)]
    floors = _floors(rows)
    devices: dict[str, Device | str] = {}
    results = [_predict(row, floors, devices) for row in rows]
    return _with_timer_cost(results)


def kernel_tables(data: Path | None) -> list[Path]:
    """One table, all tables of a folder, or the published ones.

    Raises:
        MeasurementError: the folder holds none.
    """
    source = data or PUBLISHED
    tables = sorted(source.glob("*.csv")) if source.is_dir() else [source]
    if not tables:
        raise MeasurementError(f"{source}: no CSV file in this folder; expected tables of kernels")
    return tables


_Group = tuple[str, str, str]


def _group(row: KernelRow) -> _Group:
    return row.file, row.device, row.group


def _floors(rows: Iterable[KernelRow]) -> dict[_Group, float]:
    floors: dict[_Group, float] = {}
    for row in rows:
        if row.group and row.skipped is None:
            floors[_group(row)] = min(row.measured, floors.get(_group(row), row.measured))
    return floors


def _predict(row: KernelRow, floors: dict[_Group, float], devices: dict[str, Device | str]) -> KernelResult:
    if row.skipped is not None or row.kernel is None:
        return KernelResult(row=row, skipped=row.skipped)
    device = _device(row.device, devices)
    if isinstance(device, str):
        return KernelResult(row=row, skipped=device)
    try:
        predicted = estimate_kernel_time(row.kernel, device)
        algorithm = _chosen(row, device)
    except HardwareError as reason:
        return KernelResult(row=row, skipped=str(reason))
    timed = floors.get(_group(row), 0.0)
    timer = timed < row.measured < TIMER_ROWS * timed
    skipped = f"under {TIMER_ROWS:g} times the shortest row: measures the timer" if timer else None
    return KernelResult(row=row, predicted=predicted, algorithm=algorithm, skipped=skipped)


def _device(name: str, devices: dict[str, Device | str]) -> Device | str:
    if name not in devices:
        try:
            devices[name] = load_device(name)
        except HardwareError as reason:
            devices[name] = str(reason)
    return devices[name]


def _chosen(row: KernelRow, device: Device) -> str:
    kernel = row.kernel
    if kernel is None or not isinstance(kernel.shape, ConvolutionCall):
        return ""
    return fastest_launch(kernel.shape, device, kernel.dtype, kernel.nbytes).algorithm


def _with_timer_cost(results: Sequence[KernelResult]) -> tuple[KernelResult, ...]:
    shortest: dict[_Group, KernelResult] = {}
    for result in results:
        key = _group(result.row)
        if (
            result.row.group
            and result.predicted
            and (key not in shortest or result.row.measured < shortest[key].row.measured)
        ):
            shortest[key] = result
    timer = {key: max(0.0, r.row.measured - r.predicted) for key, r in shortest.items()}
    return tuple(_priced(result, timer.get(_group(result.row)), shortest) for result in results)


def _priced(result: KernelResult, timer: float | None, shortest: dict[_Group, KernelResult]) -> KernelResult:
    if timer is None or result.skipped is not None:
        return result
    if result is shortest[_group(result.row)]:
        return replace(result, skipped="the shortest row of its group: gives the timer's cost")
    return replace(result, predicted=result.predicted + timer)


def summarize_kernels(results: Iterable[KernelResult]) -> tuple[KernelSummary, ...]:
    """Errors by table and device, in the order of first appearance."""
    groups: dict[tuple[str, str], list[KernelResult]] = defaultdict(list)
    for result in results:
        groups[result.row.file, result.row.device].append(result)
    return tuple(_summary(*key, group) for key, group in groups.items())


def _summary(file: str, device: str, results: Sequence[KernelResult]) -> KernelSummary:
    scored = [r for r in results if r.skipped is None]
    reasons: dict[str, int] = defaultdict(int)
    for result in results:
        if result.skipped is not None:
            reasons[result.skipped] += 1
    return KernelSummary(
        file=file,
        device=device,
        fitted=error_statistics((r.row.measured, r.predicted) for r in scored if not r.row.held_out),
        held_out=error_statistics((r.row.measured, r.predicted) for r in scored if r.row.held_out),
        same_family=_agreement(scored, FAMILIES),
        same_algorithm=_agreement(scored, {name: name for name in FAMILIES}),
        skipped=tuple(reasons.items()),
    )


FAMILIES = {
    "implicit_gemm": "gemm",
    "implicit_precomp_gemm": "gemm",
    "gemm": "gemm",
    "direct": "direct",
    "fft": "fft",
    "fft_tiling": "fft",
    "winograd": "winograd",
    "winograd_nonfused": "winograd",
}
"""Algorithm families: members differ in workspace, not in the arithmetic they do."""


def _agreement(results: Sequence[KernelResult], kinds: Mapping[str, str]) -> float | None:
    """Share of rows whose modelled algorithm is of the kind that the library chose."""
    known = [r for r in results if r.row.algorithm]
    if not known:
        return None
    same = sum(kinds.get(r.algorithm) == kinds.get(r.row.algorithm) for r in known)
    return same / len(known)
