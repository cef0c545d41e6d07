"""Predicts rows of kernel tables and compares them with what was measured.

Some tables time a launch from the host. Their cost per launch is a property of the timer, not of the
device: the shortest row of the same device and operator, less its prediction, is added to every prediction
of that group, and rows of less than ``TIMER_ROWS`` times the shortest are left out, because they measure
little but the timer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import pandas as pd

from hardware.device import Device
from hardware.errors import HardwareError
from hardware.power_shares import power_shares
from hardware.profiles import load_device
from simdl.kernels.cost_model import estimate_kernel_time
from simdl.kernels.costs.convolution_launch import fastest_launch
from simdl.kernels.kernel import ConvolutionCall, Kernel, Product
from validation.errors import MeasurementError
from validation.judging.statistics import ErrorStatistics, error_statistics
from validation.judging.tables import counted, frame_of
from validation.kernels.rows import KernelRow, load_kernel_rows

PUBLISHED = Path(__file__).parents[1] / "published" / "kernels"

GROUP = ["file", "device", "group"]
"""Columns of rows that share a timer."""

TIMER_ROWS = 3.0
"""Rows shorter than this many times the shortest of their group measure mostly the timer."""


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
    skipped: Mapping[str, int]


def compare_kernels(paths: Iterable[Path], devices: Mapping[str, Device] | None = None) -> pd.DataFrame:
    """Predicts every row of these tables.

    Args:
        paths: of the tables.
        devices: that take the place of the registered ones of their name.

    Returns:
        a row for each, with the attributes of `KernelRow` as columns, ``predicted`` [s] where it is not
        skipped, and ``chosen``, the convolution algorithm of the model.

    Raises:
        MeasurementError: a table cannot be read.
    """
    rows = frame_of((row for path in paths for row in load_kernel_rows(path)), KernelRow)
    launched = rows["skipped"].isna()
    known = devices or {}
    named = rows.loc[launched, ["kernel", "then", "device", "group", "measured"]].itertuples(index=False)
    found = [
        _predict(kernel, then, name, known.get(name), brief=is_brief(kernel, group, measured))
        for kernel, then, name, group, measured in named
    ]
    predictions = pd.DataFrame(found, columns=["predicted", "chosen", "refused"], index=rows.index[launched])
    results = rows.join(predictions)
    results["skipped"] = results["skipped"].fillna(results["refused"])
    return _with_timer_cost(results, launched & (rows["group"] != ""))


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


def is_brief(kernel: Kernel | None, group: str, measured: float) -> bool:
    """Whether a product that is timed from the host is over before the board's power limits it in full."""
    product = kernel is not None and isinstance(kernel.shape, Product)
    return product and bool(group) and measured < power_shares().brief


@lru_cache(maxsize=256)
def unlimited(device: Device) -> Device:
    """The device as it multiplies before its power limits it, where a table timed that."""
    fraction = {**device.matmul.fraction, **device.matmul.brief}
    return (
        replace(device, matmul=replace(device.matmul, fraction=fraction)) if device.matmul.brief else device
    )


def _predict(
    kernel: Kernel, then: Kernel | None, name: str, known: Device | None, *, brief: bool
) -> tuple[float | None, str, str | None]:
    """Time [s], algorithm of a convolution, and why there is no prediction."""
    try:
        device = known or load_device(name)
        device = unlimited(device) if brief else device
        seconds = estimate_kernel_time(kernel, device)
        seconds += estimate_kernel_time(then, device) if then else 0.0
        return seconds, _chosen(kernel, device), None
    except HardwareError as reason:
        return None, "", str(reason)


def _chosen(kernel: Kernel, device: Device) -> str:
    if not isinstance(kernel.shape, ConvolutionCall):
        return ""
    return fastest_launch(kernel.shape, device, kernel.dtype, kernel.nbytes).algorithm


def _with_timer_cost(results: pd.DataFrame, timed: pd.Series) -> pd.DataFrame:
    """Predictions with what the timer adds to them; the rows that measure little else are skipped."""
    measured, scored = results["measured"], results["skipped"].isna()
    shortest = results[timed].groupby(GROUP)["measured"].transform("min").reindex(results.index)
    timer_only = scored & (measured > shortest) & (measured < TIMER_ROWS * shortest)
    first = results[timed & results["predicted"].notna()].groupby(GROUP)["measured"].idxmin()
    is_first = results.index.isin(first)
    gap = (measured - results["predicted"]).clip(lower=0).where(is_first)
    cost = gap.groupby([results[column] for column in GROUP]).transform("max").fillna(0)
    skipped = (
        results["skipped"]
        .mask(timer_only, f"under {TIMER_ROWS:g} times the shortest row: measures the timer")
        .mask(scored & ~timer_only & is_first, "the shortest row of its group: gives the timer's cost")
    )
    return results.assign(skipped=skipped, predicted=(results["predicted"] + cost).where(skipped.isna()))


def summarize_kernels(results: pd.DataFrame) -> tuple[KernelSummary, ...]:
    """Errors by table and device, in the order of first appearance."""
    groups = results.groupby(["file", "device"], sort=False)
    return tuple(_summary(file, device, part) for (file, device), part in groups)


def _summary(file: str, device: str, part: pd.DataFrame) -> KernelSummary:
    scored = part[part["skipped"].isna()]
    fitted, held_out = scored[~scored["held_out"]], scored[scored["held_out"]]
    return KernelSummary(
        file=file,
        device=device,
        fitted=error_statistics(fitted["measured"], fitted["predicted"]),
        held_out=error_statistics(held_out["measured"], held_out["predicted"]),
        same_family=_agreement(scored, FAMILIES),
        same_algorithm=_agreement(scored, {name: name for name in FAMILIES}),
        skipped=counted(part["skipped"]),
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


def _agreement(scored: pd.DataFrame, kinds: Mapping[str, str]) -> float | None:
    """Share of rows whose modelled algorithm is of the kind that the library chose."""
    known = scored[scored["algorithm"] != ""]
    same = known["chosen"].map(kinds).fillna("") == known["algorithm"].map(kinds).fillna("")
    return float(same.mean()) if len(known) else None
