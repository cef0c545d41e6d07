"""Rows of collective sweeps: one printed line of a benchmark such as nccl-tests.

Columns as in ``published/cnn/collective_sweeps.csv``. The measured time is ``time_us``, else
``inplace_time_us``, else it follows from a bus bandwidth by the definition of nccl-tests.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from simdl.communication import Operation, bus_factor
from validation.errors import MeasurementError, RowSkippedError
from validation.judging.tables import numbered_rows, read_table

REQUIRED = (
    "sweep_id",
    "collective",
    "gpu",
    "nodes",
    "ranks",
    "intra_node",
    "inter_node",
    "library",
    "size_bytes",
)
TIMES = ("time_us", "inplace_time_us")
RATES = ("busbw_GBs", "inplace_busbw_GBs")
OPERATIONS = {
    "allreduce": Operation.ALL_REDUCE,
    "allgather": Operation.ALL_GATHER,
    "reducescatter": Operation.REDUCE_SCATTER,
    "broadcast": Operation.BROADCAST,
    "alltoall": Operation.ALL_TO_ALL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRow:
    """One row of a sweep file.

    Attributes:
        file: name of the file.
        row: number in the file from 1, the header not counted.
        cells: text by column, stripped.
    """

    file: str
    row: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        """Text of a column; empty where the file has none."""
        return self.cells.get(column, "")

    @property
    def item(self) -> str:
        """Name for reports: the sweep, the operation and the size."""
        return f"{self['sweep_id']} {self['collective']} {self['size_bytes']} B"


def load_sweep(path: Path) -> list[SweepRow]:
    """Rows of a sweep file.

    Raises:
        MeasurementError: no table of text, or without the columns of a sweep.
    """
    table = read_table(path)
    missing = [column for column in REQUIRED if column not in table.columns]
    if missing or not {*TIMES, *RATES} & set(table.columns):
        raise MeasurementError(
            f"{path}: header: found {', '.join(table.columns)}; "
            f"missing {', '.join(missing) or 'a measured column'}; "
            f"expected the columns of collective_sweeps.csv, one of {', '.join((*TIMES, *RATES))} included"
        )
    return [SweepRow(file=path.name, row=number, cells=cells) for number, cells in numbered_rows(table)]


def leading_count(row: SweepRow, column: str) -> int:
    """The whole number that a cell starts with.

    Raises:
        RowSkippedError: the cell starts with something else.
    """
    found = re.match(r"\d+", row[column])
    if not found or int(found[0]) < 1:
        raise RowSkippedError(f"{column}: {row[column]!r} is not a count")
    return int(found[0])


def operation_of(row: SweepRow) -> Operation:
    """What the row communicates.

    Raises:
        RowSkippedError: an operation that is not modelled.
    """
    name = re.sub(r"[^a-z]", "", row["collective"].lower())
    if name not in OPERATIONS:
        raise RowSkippedError(f"collective: {row['collective']!r} is not modelled")
    return OPERATIONS[name]


def _positive(row: SweepRow, columns: tuple[str, ...]) -> float | None:
    for column in columns:
        try:
            value = float(row[column])
        except ValueError:
            continue
        if value > 0:
            return value
    return None


def size_of(row: SweepRow) -> float:
    """Buffer of the row [bytes].

    Raises:
        RowSkippedError: not a positive number.
    """
    size = _positive(row, ("size_bytes",))
    if size is None:
        raise RowSkippedError(f"size_bytes: {row['size_bytes']!r} is not a positive number")
    return size


def measured_time(row: SweepRow, operation: Operation, ranks: int) -> float:
    """Measured time of the row [s].

    Raises:
        RowSkippedError: neither a time nor a bus bandwidth is printed.
    """
    time = _positive(row, TIMES)
    if time is not None:
        return time * 1e-6
    rate = _positive(row, RATES)
    if rate is None:
        raise RowSkippedError("neither a time nor a bus bandwidth is printed")
    return size_of(row) * bus_factor(operation, ranks) / (rate * 1e9)
