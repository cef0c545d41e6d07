"""Predicts rows of collective sweeps and compares them with what was measured.

Every row is predicted by the same call as ``simdl collectives``; the machine follows from the row's text
(``validation.sweeps.clusters``), the library from its name, the algorithm from the library's own
choice unless the row's note prints that it was forced.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from simdl.collectives import Group, collective_time
from simdl.errors import SimdlError
from validation.judging.statistics import ErrorStatistics, error_statistics
from validation.judging.tables import frame_of
from validation.sweeps.clusters import build_cluster, conditions_of
from validation.sweeps.rows import SweepRow, load_sweep, measured_time, operation_of, size_of

PUBLISHED = Path(__file__).parents[1] / "published" / "cnn"
DEFAULT_FILES = ("collective_sweeps.csv", "deepbench_allreduce_sweeps.csv", "collective_sweeps_second.csv")
LARGE = 2**20

# Sweeps that took no part in fitting links and libraries.
HELD_OUT = frozenset(
    {
        "aws_p5_2n_eks",
        "azure_nd_a100v4_1n",
        "azure_nd_h200v5_1n",
        "azure_ndh100v5_1n_all_reduce_nccl",
        "bf3_h200_2n",
        "mi300x_1n_azure_vf",
        "mi300x_1n_xgmi",
        "mi300x_1n_xgmi_graph",
        "oci_a100_2n_kueue",
        "oci_b4_a100_2n_slurm",
        "p4d_scaling_1n",
        "p4d_scaling_3n",
        "stas_h200_collectives_16GiB",
    }
)

LIBRARIES = (
    (r"MSCCL", "msccl"),
    (r"RCCL", "rccl"),
    (r"MLSL", "mlsl"),
    (r"Baidu|OSU|(?<!NCCL 2.0 )\bMPI\b|gloo", "mpi"),
)

FORCED = (
    (r"NCCL_ALGO=Tree", "double_tree"),
    (r"NCCL_ALGO=Ring|NVLS off|NCCL_TREE_THRESHOLD=0|^Ring$", "ring"),
    (r"NCCL_ALGO=NVLS", "in_switch"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """Prediction of one row; times in seconds.

    Attributes:
        fitted: the row took part in fitting the profiles.
        skipped: why the row was not predicted, or None.
        warnings: what was assumed about the machine.
    """

    file: str
    row: int
    item: str
    size: float
    fitted: bool
    measured: float | None = None
    predicted: float | None = None
    algorithm: str | None = None
    skipped: str | None = None
    warnings: tuple[str, ...] = ()


def library_of(row: SweepRow, usual: str) -> str:
    """Registered library that a row names; the device's usual one where it names none of them."""
    for pattern, name in LIBRARIES:
        if re.search(pattern, row["library"], re.IGNORECASE):
            return name
    return usual


def algorithm_of(row: SweepRow) -> str:
    """Algorithm that the row's note prints as forced, else ``auto``."""
    for pattern, name in FORCED:
        if re.search(pattern, row["algo_note"]):
            return name
    return "auto"


def predict_row(row: SweepRow) -> RowResult:
    """Measured and predicted time of one row, or the reason why there is none."""
    fitted = row["sweep_id"] not in HELD_OUT
    try:
        conditions = conditions_of(row)
        operation, size = operation_of(row), size_of(row)
        measured = measured_time(row, operation, conditions.ranks)
        cost = collective_time(
            operation,
            size,
            Group(size=conditions.ranks),
            build_cluster(conditions),
            library_of(row, conditions.library),
            algorithm_of(row),
        )
    except SimdlError as reason:
        return RowResult(
            file=row.file, row=row.row, item=row.item, size=0, fitted=fitted, skipped=str(reason)
        )
    return RowResult(
        file=row.file,
        row=row.row,
        item=row.item,
        size=size,
        fitted=fitted,
        measured=measured,
        predicted=cost.time,
        algorithm=cost.algorithm,
        warnings=conditions.warnings,
    )


def predict_sweeps(paths: Iterable[Path] | None = None) -> pd.DataFrame:
    """Predict every row of the files, by default the published ones.

    Returns:
        a row for each, with the attributes of `RowResult` as columns.

    Raises:
        MeasurementError: a file is not a table of sweeps.
    """
    chosen = [PUBLISHED / name for name in DEFAULT_FILES] if paths is None else paths
    results = frame_of((predict_row(row) for path in chosen for row in load_sweep(path)), RowResult)
    return results.astype({"measured": float, "predicted": float})


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSummary:
    """How well a group of rows is predicted: counts, and errors of those predicted."""

    predicted: int
    skipped: int
    errors: ErrorStatistics


def summarize_sweeps(results: pd.DataFrame) -> dict[str, SweepSummary]:
    """Of all rows, of large messages, of fitted and held-out rows among these, and of each file."""
    is_large = results["size"] >= LARGE
    large = results[is_large]
    groups = {
        "overall": results,
        "at_least_1_mib": large,
        "at_least_1_mib_fitted": large[large["fitted"]],
        "at_least_1_mib_held_out": large[~large["fitted"]],
    }
    for file, part in results.groupby("file", sort=False):
        groups |= {file: part, f"{file} at_least_1_mib": part[is_large[part.index]]}
    return {name: _summary(part) for name, part in groups.items()}


def _summary(part: pd.DataFrame) -> SweepSummary:
    return SweepSummary(
        predicted=int(part["predicted"].count()),
        skipped=int(part["skipped"].count()),
        errors=error_statistics(part["measured"], part["predicted"]),
    )
