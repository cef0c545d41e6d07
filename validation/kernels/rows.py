"""Rows of kernel tables as kernels with a measured time.

A layer of a table that the device profiles or the cost model cannot express carries the reason instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simdl.kernels.kernel import AttentionCall, ConvolutionCall, Kernel, Product, Recurrence
from validation.errors import MeasurementError, RowSkippedError
from validation.judging.device_names import device_named
from validation.judging.tables import numbered_rows, read_table
from validation.kernels.readers import READERS, Cells, Reader

LARGE_TABLE = 500
"""Rows from which on a table is split; smaller ones are fitted whole."""

HELD_OUT = 5
"""Every fifth row of a large table takes no part in fitting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRow:
    """One measured launch.

    Attributes:
        file, row: table and 1-based line of the row, the header being line 1.
        item: what was launched.
        device: profile name, or as the table writes it where there is none.
        group: rows that share a timer's host cost (table's operator); ``""`` where the timer has none.
        then: launched after it and timed with it; None where one kernel was timed.
        kernel: the launch; None where it cannot be expressed.
        measured: [s].
        algorithm: convolution algorithm that the library chose, ``""`` where the table does not say.
        held_out: the row took no part in fitting.
        skipped: why it cannot be predicted, or None.
    """

    file: str
    row: int
    item: str
    device: str
    group: str = ""
    kernel: Kernel | None = None
    measured: float = 0.0
    algorithm: str = ""
    then: Kernel | None = None
    held_out: bool = False
    skipped: str | None = None


def load_kernel_rows(path: Path) -> tuple[KernelRow, ...]:
    """All rows of a table; the header says which table it is.

    Raises:
        MeasurementError: no table of text, or no known header.
    """
    table = read_table(path)
    read = next((read for columns, read in READERS if columns <= set(table.columns)), None)
    if read is None:
        known = "; ".join(", ".join(sorted(columns)) for columns, _ in READERS)
        raise MeasurementError(
            f"{path}: found header {', '.join(table.columns)}; "
            f"expected rows under one of these headers: {known}"
        )
    split = HELD_OUT if len(table) >= LARGE_TABLE else 0
    return tuple(
        row
        for line, cells in ((number + 1, cells) for number, cells in numbered_rows(table))
        for row in _rows(path.name, line, cells, read, held_out=bool(split) and line % split == 0)
    )


def _rows(file: str, line: int, cells: Cells, read: Reader, *, held_out: bool) -> Iterator[KernelRow]:
    text = cells.get("device") or cells.get("gpu") or ""
    try:
        device = device_named(text, "kernels/devices.toml")
        found = list(read(cells))
    except RowSkippedError as reason:
        yield KernelRow(file=file, row=line, item="", device=text, skipped=str(reason))
        return
    except ValueError as fault:
        raise MeasurementError(f"{file} line {line}: {fault}; expected numbers") from fault
    for launch in found:
        yield KernelRow(
            file=file,
            row=line,
            item=_item(launch.kernel),
            device=device,
            group=launch.group,
            kernel=launch.kernel,
            measured=launch.measured,
            algorithm=launch.algorithm,
            then=launch.then,
            held_out=held_out or launch.assumed,
        )


def _item(kernel: Kernel) -> str:
    match kernel.shape:
        case Product(m, n, k, count):
            return f"{kernel.name} {kernel.dtype} {count} x {m}x{n}x{k}"
        case ConvolutionCall(shape, batch, which):
            size = f"{shape.in_channels}x{shape.in_height}x{shape.in_width}"
            return f"{which} {kernel.dtype} {batch}x{size} to {shape.out_channels}"
        case AttentionCall(shape, batch, which):
            return f"attention {which} {batch}x{shape.heads}x{shape.query_tokens}x{shape.head_size}"
        case Recurrence(steps, product):
            return f"{kernel.name} {kernel.dtype} {steps} steps of {product}"
        case None:
            return f"{kernel.name} {kernel.nbytes:.0f} bytes"
