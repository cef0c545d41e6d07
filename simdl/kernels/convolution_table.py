"""Tables of convolution times by algorithm and batch, one format for measured and modelled ones.

    device,layer,pass,algorithm,batch,time_us,workspace_MiB
    p100-sxm,conv2,forward,fft,32,812.5,48

The unit of a time or a workspace stands in its column's name, after an underscore or in brackets
(``time_us``, ``time [us]``; ``bytes`` may stand for ``B``). ``layer`` is a layer's full name; ``pass`` one of
forward, input_gradient, weight_gradient; ``algorithm`` as in a device's
``efficiency.convolution.fraction``, or cuDNN's of this pass (``algo_0``); ``batch`` the samples that one
launch takes.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from hardware.errors import UnitError
from hardware.units import parse_quantity
from simdl.atomic_write import write_atomically
from simdl.csv_rows import CsvRow, read_csv_rows
from simdl.errors import SimdlError
from simdl.kernels.costs.convolution import REDUCTIONS
from simdl.kernels.costs.grouped import GROUPED
from simdl.kernels.cudnn import cudnn_algorithms
from workloads.operators import Pass

DIGITS = 9
"""Of a batch, at most."""
TEXTS = ("device", "layer", "pass", "algorithm", "batch")
QUANTITIES = {"time": "time", "workspace": "bytes"}
"""Columns whose names end in a unit, and its dimension."""
UNIT = re.compile(r"(?P<quantity>[a-z]+)(?:_| ?[\[(])(?P<unit>\w+)[\])]?")
LEAST = {"time": "above 0", "workspace": "of at least 0"}
EXAMPLES = {"time": "time_us", "workspace": "workspace_MiB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionRow:
    """One launch: ``time`` [s] and ``workspace`` [bytes] of an algorithm on ``batch`` samples."""

    device: str
    layer: str
    which: Pass
    algorithm: str
    batch: int
    time: float
    workspace: float


def read_convolution_table(path: str | Path) -> tuple[ConvolutionRow, ...]:
    """The rows of a table.

    Raises:
        SimdlError: a column is missing, unknown or without a unit, or a cell is empty, unknown, negative or
            given twice; one line per fault. Or the file cannot be read.
    """
    columns, lines = read_csv_rows(path)
    units = _units(path, columns)
    rows: dict[tuple[str, ...], ConvolutionRow] = {}
    faults = [] if lines else [f"{path}: no rows; expected at least one"]
    for line in lines:
        key = tuple(line.cells[name] for name in TEXTS)
        if key in rows:
            faults.append(f"{path}: line {line.line}: {', '.join(key)} stands twice; expected once")
            continue
        try:
            rows[key] = _row(line, units)
        except SimdlError as error:
            faults += [f"{path}: line {line.line}: {fault}" for fault in str(error).splitlines()]
    if faults:
        raise SimdlError("\n".join(faults))
    return tuple(rows.values())


def write_convolution_table(path: str | Path, rows: Iterable[ConvolutionRow]) -> None:
    """Write a table that :func:`read_convolution_table` reads back, whole or not at all.

    Raises:
        SimdlError: the file cannot be written.
    """
    write_atomically(Path(path), format_convolution_table(rows), what="table of convolutions")


def format_convolution_table(rows: Iterable[ConvolutionRow]) -> str:
    """The text of a table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*TEXTS, "time_s", "workspace_B"))
    for row in rows:
        place = (row.device, row.layer, row.which.value, row.algorithm, row.batch)
        writer.writerow((*place, row.time, row.workspace))
    return text.getvalue()


def _units(path: str | Path, columns: Sequence[str]) -> dict[str, tuple[str, str]]:
    """(column, unit) of each quantity."""
    units: dict[str, tuple[str, str]] = {}
    faults = []
    for column in dict.fromkeys(columns):
        quantity, unit = _split(column)
        if column in TEXTS:
            continue
        if quantity not in QUANTITIES:
            faults.append(f"column {column!r}: unknown{_nearest(column)}")
        elif quantity in units:
            faults.append(f"column {column!r}: {quantity} stands twice; expected once")
        elif not _is_unit(unit, QUANTITIES[quantity]):
            faults.append(f"column {column!r}: no unit; expected a name such as {EXAMPLES[quantity]!r}")
        units.setdefault(quantity, (column, unit))
    faults += [
        f"column {name!r} stands twice; expected once" for name, n in Counter(columns).items() if n > 1
    ]
    present = {*columns, *units}
    faults += [
        f"no column {EXAMPLES.get(name, name)!r}" for name in (*TEXTS, *EXAMPLES) if name not in present
    ]
    if faults:
        raise SimdlError("\n".join(f"{path}: line 1: {fault}" for fault in faults))
    return units


def _split(column: str) -> tuple[str, str]:
    """Quantity and unit of a column's name; an empty unit where there is none."""
    found = UNIT.fullmatch(column.strip())
    if found is None:
        return column.strip(), ""
    return found["quantity"], "B" if found["unit"] == "bytes" else found["unit"]


def _is_unit(unit: str, dimension: str) -> bool:
    try:
        parse_quantity(f"1 {unit}", dimension)
    except UnitError:
        return False
    return True


def _nearest(column: str) -> str:
    known = [*TEXTS, *EXAMPLES.values()]
    near = get_close_matches(column, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; expected {', '.join(known)}"


def _row(row: CsvRow, units: Mapping[str, tuple[str, str]]) -> ConvolutionRow:
    texts = {name: row.cells[name] for name in TEXTS}
    faults = ["more cells than columns"] if row.surplus else []
    faults += [f"{name}: empty" for name, text in texts.items() if not text]
    faults += _unknown("pass", texts["pass"], [which.value for which in Pass])
    faults += _unknown("algorithm", texts["algorithm"], _names(texts["pass"]))
    if texts["batch"] and not (
        texts["batch"].isdecimal() and len(texts["batch"]) <= DIGITS and int(texts["batch"]) > 0
    ):
        faults.append(f"batch: found {texts['batch']!r}; expected a whole number of at least 1")
    values = {name: _number(row.cells[column], unit, name) for name, (column, unit) in units.items()}
    faults += [
        f"{units[name][0]}: found {row.cells[units[name][0]]!r}; expected a number {LEAST[name]}"
        for name, value in values.items()
        if value is None
    ]
    if faults:
        raise SimdlError("\n".join(faults))
    return ConvolutionRow(
        device=texts["device"],
        layer=texts["layer"],
        which=Pass(texts["pass"]),
        algorithm=texts["algorithm"],
        batch=int(texts["batch"]),
        time=values["time"] or 0.0,
        workspace=values["workspace"] or 0.0,
    )


def _names(which: str) -> tuple[str, ...]:
    """Algorithms of a pass: those of any library, and cuDNN's own names of it."""
    own = (each.name for each in cudnn_algorithms() if each.which == which)
    return tuple(dict.fromkeys((*REDUCTIONS, GROUPED, *own)))


def _unknown(name: str, text: str, known: Iterable[str]) -> list[str]:
    if not text or text in known:
        return []
    return [f"{name}: found {text!r}; expected {', '.join(known)}"]


def _number(text: str, unit: str, quantity: str) -> float | None:
    """In base units; None if it is no number of this quantity."""
    try:
        value = parse_quantity(f"{text} {unit}", QUANTITIES[quantity])
    except UnitError:
        return None
    return value if value > 0 or (value == 0 and quantity == "workspace") else None
