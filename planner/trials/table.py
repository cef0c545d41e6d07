"""Tables of trials: one training a line, with the devices that it may take.

Columns: ``name``, ``model`` and ``length`` (``90 epochs``, ``300B tokens``, ``5000 steps``, ``2d``) are
needed; ``devices``, ``copies``, ``dataset`` and what a question may say (``global_batch``, ``seq_len``,
``precision``, ``optimizer``, ``stack``) may be left out or empty.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hardware.cluster import Cluster
from planner.scaling.curves import node_counts
from simdl.csv_rows import CsvRow, read_csv_rows
from simdl.errors import SimdlError

NEEDED = ("name", "model", "length")
NUMBERS = ("global_batch", "seq_len")
WORDS = ("precision", "optimizer", "stack")
COLUMNS = (*NEEDED, "devices", "copies", "dataset", *NUMBERS, *WORDS)
MOST = 1_000
"""Trials, copies counted."""
LARGEST = 10**9
SEPARATORS = re.compile(r"[ |;]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One training.

    Attributes:
        name: unique; copies are numbered.
        place: file and line, for messages.
        length: how long it is, in words.
        devices: numbers of devices that it may take; () for all that are usual.
        model, dataset, global_batch, seq_len, precision, optimizer, stack: as the question says them.
    """

    name: str
    place: str
    model: str
    length: str
    devices: tuple[int, ...] = ()
    dataset: str | None = None
    global_batch: int | None = None
    seq_len: int | None = None
    precision: str | None = None
    optimizer: str | None = None
    stack: str | None = None


def read_trials(path: Path) -> tuple[Trial, ...]:
    """The trials of a CSV file, copies one by one.

    Raises:
        SimdlError: it cannot be read, or says what no table of trials says; one line per fault.
    """
    columns, rows = read_csv_rows(path)
    faults = [f"{path}: line 1: {fault}" for fault in _column_faults(columns)]
    if not faults:
        faults = [f"{path}: line {row.line}: {fault}" for row in rows for fault in _row_faults(row)]
    if not faults and not rows:
        faults.append(f"{path}: no trial; expected one a line below the names of the columns")
    if faults:
        raise SimdlError("\n".join(faults))
    trials = [trial for row in rows for trial in _trials(path, row)]
    if len(trials) > MOST:
        raise SimdlError(f"{path}: found {len(trials):,} trials, copies counted; expected at most {MOST:,}")
    twice = sorted({trial.name for trial in trials if [each.name for each in trials].count(trial.name) > 1})
    if twice:
        raise SimdlError(f"{path}: name: found {', '.join(twice)} twice; expected every name once")
    return tuple(trials)


def _column_faults(columns: tuple[str, ...]) -> Iterator[str]:
    for column in columns:
        if column not in COLUMNS:
            near = get_close_matches(column, COLUMNS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected some of {', '.join(COLUMNS)}"
            yield f"unknown column {column!r}; {hint}"
        elif columns.count(column) > 1:
            yield f"column {column!r} stands there twice; expected once"
    missing = [column for column in NEEDED if column not in columns]
    if missing:
        yield f"no column {', '.join(missing)}; expected {', '.join(NEEDED)}"


def _row_faults(row: CsvRow) -> Iterator[str]:
    if row.surplus:
        yield "more cells than columns; expected a cell each (texts with commas in quotes)"
    for column in NEEDED:
        if not row.cells.get(column):
            yield f"{column}: found nothing; expected a text"
    for column in (*NUMBERS, "copies"):
        text = row.cells.get(column, "")
        if text and not (text.isdecimal() and 1 <= int(text[:12]) <= LARGEST and len(text) <= 10):
            yield f"{column}: found {text!r}; expected a whole number, at least 1"
    text = row.cells.get("devices", "")
    if text and _counts(text) is None:
        yield f"devices: found {text!r}; expected numbers such as '8', '2|4|8' or '1..16'"


def _counts(text: str) -> tuple[int, ...] | None:
    """Numbers of devices in a cell; None where it holds something else."""
    found: set[int] = set()
    for part in SEPARATORS.split(text):
        first, dots, last = part.partition("..")
        numbers = (first, last) if dots else (first,)
        if not all(each.isdecimal() and len(each) <= 7 and int(each) for each in numbers):
            return None
        if int(numbers[-1]) < int(first):
            return None
        found |= {*node_counts(int(first), int(numbers[-1]))}
    return tuple(sorted(found))


def _trials(path: Path, row: CsvRow) -> Iterator[Trial]:
    cells, copies = row.cells, int(row.cells.get("copies") or 1)
    told: dict[str, Any] = {key: int(cells[key]) for key in NUMBERS if cells.get(key)}
    told |= {key: cells[key] for key in (*WORDS, "dataset") if cells.get(key)}
    for number in range(1, copies + 1):
        yield Trial(
            name=cells["name"] if copies == 1 else f"{cells['name']}-{number}",
            place=f"{path}: line {row.line}",
            model=cells["model"],
            length=cells["length"],
            devices=_counts(cells.get("devices", "")) or () if cells.get("devices") else (),
            **told,
        )


def device_counts(trial: Trial, cluster: Cluster) -> tuple[int, ...]:
    """Numbers of devices that a trial may take: some of a node, or whole nodes.

    Raises:
        SimdlError: none of those that it names can be had.
    """
    node, nodes = cluster.node.devices, cluster.count
    if not trial.devices:
        return tuple(sorted({*node_counts(1, node), *(node * count for count in node_counts(1, nodes))}))
    found = tuple(
        count for count in trial.devices if count <= node or (count % node == 0 and count <= node * nodes)
    )
    if not found:
        raise SimdlError(
            f"{trial.place}: devices: found {', '.join(map(str, trial.devices))}; expected at most the "
            f"{node} of a node of {cluster.name}, or a multiple of them up to {node * nodes}"
        )
    return found
