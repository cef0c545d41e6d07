"""Predicts rows of collective sweeps and compares them with what was measured.

Every row is predicted by the same call as ``simdl collectives``; the machine follows from the row's text
(``validation.sweeps.clusters``), the library and its version from its name, the algorithm from the
library's own choice unless the row's note prints that it was forced.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from hardware.cluster import Cluster
from simdl.communication import CollectiveCost, Group, Operation, collective_time
from simdl.communication.library import load_library
from simdl.communication.tuning.constants import nearest_version
from simdl.errors import SimdlError
from validation.judging.statistics import ErrorStatistics, error_statistics
from validation.judging.tables import frame_of
from validation.sweeps.clusters import build_cluster, conditions_of, generation_of
from validation.sweeps.rows import SweepRow, load_sweep, measured_time, operation_of, size_of

PUBLISHED = Path(__file__).parents[1] / "published" / "cnn"
DEFAULT_FILES = ("collective_sweeps.csv", "deepbench_allreduce_sweeps.csv", "collective_sweeps_second.csv")
LARGE = 2**20
PARALLEL_LAUNCH = (2, 9)
"""NCCL from which a process launches device by device (its src/init.cc, tags 2.4.2 to 2.12.12)."""

# Sweeps that took no part in fitting links and libraries.
HELD_OUT = frozenset(
    {
        "aws_p5_2n_eks",
        "azure_nd_a100v4_1n",
        "azure_nd_h200v5_1n",
        "azure_ndh100v5_1n_all_reduce_nccl",
        "bf3_h200_2n",
        "mi300x_1n_azure_vf",
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
        protocol: of the library, with the predicted algorithm.
        library: with its version.
        fabric: the outermost link that the group crosses.
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
    protocol: str | None = None
    library: str | None = None
    fabric: str | None = None
    skipped: str | None = None
    warnings: tuple[str, ...] = ()


def library_of(row: SweepRow, usual: str) -> tuple[str, tuple[str, ...]]:
    """Registered library that a row names with its version, and a warning where that is not known.

    The device's usual library where the row names none, and its default version where the row states none.
    """
    name = next(
        (name for pattern, name in LIBRARIES if re.search(pattern, row["library"], re.IGNORECASE)), usual
    )
    default = load_library(name).version
    if default is None or name == "msccl":
        return name, ()
    found = re.search(
        rf"(?<!ofi-){default.library}\s*(\d+)\.(\d+)(?:\.(\d+))?", row["library"], re.IGNORECASE
    )
    if found is None:
        return _usual_release(name, row)
    stated = tuple(int(part) for part in found.groups() if part)
    nearest = nearest_version(default.library, stated)
    said = ".".join(map(str, stated))
    differs = nearest.number != stated
    warning = (f"library {row['library']!r}: nearest known version {nearest.text} instead of {said}",)
    return f"{name}:{nearest.text}", warning if differs else ()


def _usual_release(name: str, row: SweepRow) -> tuple[str, tuple[str, ...]]:
    """The release of the years in which the row's device was the newest, or the library's default."""
    release = generation_of(row["gpu"]).release if name == "nccl" else ""
    default = load_library(name).version
    version = release or (default.text if default else "")
    return f"{name}:{version}", (f"library {row['library']!r} states no version: assumed {version}",)


def algorithm_of(row: SweepRow) -> str:
    """Algorithm that the row's note prints as forced, else ``auto``."""
    for pattern, name in FORCED:
        if re.search(pattern, row["algo_note"]):
            return name
    return "auto"


def launches_of(row: SweepRow, per_node: int, library: str) -> int:
    """Devices that one process of the row launches on, one after another; 0 where a graph launches for it.

    NCCL before 2.9 starts the kernels of all devices of a process by one call (its default launch mode is
    ``GROUP``, which calls ``cudaLaunchCooperativeKernelMultiDevice``); from then on it is ``PARALLEL``, one
    call a device.

    Args:
        row: of a sweep.
        per_node: ranks of a node.
        library: of :func:`library_of`, with its release.
    """
    text = f"{row['algo_note']} {row['library']}"
    if re.search(r"\b(CUDA|HIP) graph", text, re.IGNORECASE):
        return 0
    shared = re.search(r"single[- ]process|one process (per node|for)", text, re.IGNORECASE)
    return per_node if shared and not _launches_together(library) else 1


def _launches_together(library: str) -> bool:
    version = load_library(library).version
    return version is not None and version.library == "nccl" and version.number < PARALLEL_LAUNCH


def is_timed_alone(row: SweepRow) -> bool:
    """Whether every call is timed by itself on an idle stream, so that its host's time stands before it.

    all_reduce_bench.py of stas00/ml-engineering, which torch rows come from, records an event, calls
    ``dist.all_reduce`` once, records another and waits; its later versions call what the host takes so
    ``host overhead`` and leave it out unless asked. nccl-tests calls many in a row.
    """
    return bool(re.search(r"\btorch\b|all_reduce_bench", row["library"], re.IGNORECASE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A row that can be placed: what ran where, and how long it took.

    Attributes:
        sweep: the sweep's name.
        operation, size, group, cluster, library, algorithm: the question to `collective_time`.
        time: [s] measured.
        launches: devices that one process launches on; 0 where a graph does.
        alone: each call waits for the host, instead of calls one after another.
        fitted: the row took part in fitting the profiles.
        links: that the group crosses, innermost first.
        warnings: what was assumed about the machine.
    """

    sweep: str
    operation: Operation
    size: float
    group: Group
    cluster: Cluster
    library: str
    algorithm: str
    time: float
    launches: int
    alone: bool
    fitted: bool
    links: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def fabric(self) -> str:
        """The outermost link."""
        return self.links[-1]


def place_row(row: SweepRow) -> Measured:
    """The question that a row answers.

    Raises:
        RowSkippedError: a cell that cannot be placed.
    """
    conditions = conditions_of(row)
    operation = operation_of(row)
    library, said = library_of(row, conditions.library)
    links = (conditions.inside, conditions.outside)
    return Measured(
        sweep=row["sweep_id"],
        operation=operation,
        size=size_of(row),
        group=Group(size=conditions.ranks),
        cluster=build_cluster(conditions),
        library=library,
        algorithm=algorithm_of(row),
        time=measured_time(row, operation, conditions.ranks),
        launches=launches_of(row, conditions.ranks // conditions.nodes, library),
        alone=is_timed_alone(row),
        fitted=row["sweep_id"] not in HELD_OUT,
        links=tuple(part.link for part in links if part is not None),
        warnings=(*conditions.warnings, *said),
    )


def predict_time(row: Measured) -> CollectiveCost:
    """What `simdl collectives` says, with the host's time as the row launches."""
    cost = collective_time(row.operation, row.size, row.group, row.cluster, row.library, row.algorithm)
    library = load_library(row.library)
    host = library.least + library.least_more * max(0, row.launches - 1) if row.launches else 0.0
    together = host + cost.device_time if row.alone else max(host, cost.device_time)
    return replace(cost, time=together)


def predict_row(row: SweepRow) -> RowResult:
    """Measured and predicted time of one row, or the reason why there is none."""
    try:
        placed = place_row(row)
        cost = predict_time(placed)
    except SimdlError as reason:
        return RowResult(
            file=row.file,
            row=row.row,
            item=row.item,
            size=0,
            fitted=row["sweep_id"] not in HELD_OUT,
            skipped=str(reason),
        )
    return RowResult(
        file=row.file,
        row=row.row,
        item=row.item,
        size=placed.size,
        fitted=placed.fitted,
        measured=placed.time,
        predicted=cost.time,
        algorithm=cost.algorithm,
        protocol=cost.protocol,
        library=placed.library,
        fabric=placed.fabric,
        warnings=placed.warnings,
    )


def measured_rows(paths: Iterable[Path] | None = None) -> list[tuple[SweepRow, Measured]]:
    """Every row of the files that can be placed, by default of the published ones.

    Raises:
        MeasurementError: a file is not a table of sweeps.
    """
    return [placed for placed in _placed_rows(paths) if placed is not None]


def _placed_rows(paths: Iterable[Path] | None) -> Iterator[tuple[SweepRow, Measured] | None]:
    chosen = [PUBLISHED / name for name in DEFAULT_FILES] if paths is None else paths
    for path in chosen:
        for row in load_sweep(path):
            try:
                yield row, place_row(row)
            except SimdlError:
                yield None


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
    """Of all rows, of large and of small messages, of fitted and held-out rows, and of each file."""
    is_large = results["size"] >= LARGE
    large = results[is_large]
    groups = {
        "overall": results,
        "at_least_1_mib": large,
        "at_least_1_mib_fitted": large[large["fitted"]],
        "at_least_1_mib_held_out": large[~large["fitted"]],
        "below_1_mib": results[(results["size"] > 0) & ~is_large],
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
