"""Tables of convolution times by algorithm and batch, one format for measured and modelled ones.

    device,layer,pass,algorithm,batch,time_us,workspace_MiB
    p100-sxm,conv2,forward,fft,32,812.5,48

The unit of a time or a workspace stands in its column's name, after an underscore. ``layer`` is a layer's
full name; ``pass`` one of forward, input_gradient, weight_gradient; ``algorithm`` as in a device's
``efficiency.convolution.fraction``; ``batch`` the samples that one launch takes.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from hardware.errors import UnitError
from hardware.units import parse_quantity
from simdl.errors import SimdlError
from simdl.kernel_costs.convolution import ALGORITHMS
from workloads.operators import Pass

TEXTS = ("device", "layer", "pass", "algorithm", "batch")
QUANTITIES = {"time": "time", "workspace": "bytes"}
"""Columns with a unit, and its dimension."""

_EXAMPLES = {"time": "time_us", "workspace": "workspace_MiB"}


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
            given twice; one line per fault.
        OSError: the file cannot be read.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        units = _units(path, reader.fieldnames or ())
        numbered = list(enumerate(reader, start=2))
    rows, faults = [], []
    for line, cells in numbered:
        try:
            rows.append(_row(cells, units))
        except SimdlError as error:
            faults += [f"{path}: line {line}: {fault}" for fault in str(error).splitlines()]
    faults += _repeated(path, rows) if not faults else []
    if not rows and not faults:
        faults.append(f"{path}: no rows; expected at least one")
    if faults:
        raise SimdlError("\n".join(faults))
    return tuple(rows)


def write_convolution_table(path: str | Path, rows: Iterable[ConvolutionRow]) -> None:
    """Write a table that :func:`read_convolution_table` reads back.

    Raises:
        OSError: the file cannot be written.
    """
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*TEXTS, "time_s", "workspace_B"))
        for row in rows:
            place = (row.device, row.layer, row.which.value, row.algorithm, row.batch)
            writer.writerow((*place, row.time, row.workspace))


def _units(path: str | Path, columns: Iterable[str]) -> dict[str, tuple[str, str]]:
    """(column, unit) of each quantity."""
    units, faults = {}, []
    for column in columns:
        quantity, _, unit = column.partition("_")
        if column in TEXTS:
            continue
        if quantity not in QUANTITIES:
            faults.append(f"column {column!r}: unknown{_nearest(column)}")
        elif quantity in units:
            faults.append(f"column {column!r}: {quantity} has been given; expected one column")
        elif not _is_unit(unit, QUANTITIES[quantity]):
            faults.append(f"column {column!r}: no unit; expected a name such as {_EXAMPLES[quantity]!r}")
            units[quantity] = (column, "")
        else:
            units[quantity] = (column, unit)
    wanted = {**{name: name for name in TEXTS}, **_EXAMPLES}
    present = {*columns, *units}
    faults += [f"no column {wanted[name]!r}" for name in wanted if name not in present]
    if faults:
        raise SimdlError("\n".join(f"{path}: line 1: {fault}" for fault in faults))
    return units


def _is_unit(unit: str, dimension: str) -> bool:
    try:
        parse_quantity(f"1 {unit}", dimension)
    except UnitError:
        return False
    return True


def _nearest(column: str) -> str:
    known = [*TEXTS, *_EXAMPLES.values()]
    near = get_close_matches(column, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; expected {', '.join(known)}"


def _row(cells: Mapping[str, str | None], units: Mapping[str, tuple[str, str]]) -> ConvolutionRow:
    faults = []
    texts = {name: (cells[name] or "").strip() for name in TEXTS}
    faults += [f"{name}: empty" for name, text in texts.items() if not text]
    if None in cells:
        faults.append("more cells than columns")
    if texts["pass"] and texts["pass"] not in set(Pass):
        faults.append(f"pass: found {texts['pass']!r}; expected {', '.join(Pass)}")
    if texts["algorithm"] and texts["algorithm"] not in ALGORITHMS:
        faults.append(f"algorithm: found {texts['algorithm']!r}; expected {', '.join(ALGORITHMS)}")
    if texts["batch"] and not (texts["batch"].isdecimal() and int(texts["batch"]) > 0):
        faults.append(f"batch: found {texts['batch']!r}; expected a whole number of at least 1")
    values = {}
    for quantity, (column, unit) in units.items():
        value = _number((cells[column] or "").strip(), unit, QUANTITIES[quantity])
        if value is None or value < 0 or (quantity == "time" and value == 0):
            least = "above 0" if quantity == "time" else "of at least 0"
            faults.append(f"{column}: found {cells[column]!r}; expected a number {least}")
        else:
            values[quantity] = value
    if faults:
        raise SimdlError("\n".join(faults))
    return ConvolutionRow(
        device=texts["device"],
        layer=texts["layer"],
        which=Pass(texts["pass"]),
        algorithm=texts["algorithm"],
        batch=int(texts["batch"]),
        time=values["time"],
        workspace=values["workspace"],
    )


def _number(text: str, unit: str, dimension: str) -> float | None:
    try:
        return parse_quantity(f"{text} {unit}", dimension)
    except UnitError:
        return None


def _repeated(path: str | Path, rows: Iterable[ConvolutionRow]) -> list[str]:
    seen, faults = set(), []
    for line, row in enumerate(rows, start=2):
        place = (row.device, row.layer, row.which.value, row.algorithm, row.batch)
        if place in seen:
            faults.append(f"{path}: line {line}: {', '.join(map(str, place))} stands twice; expected once")
        seen.add(place)
    return faults
