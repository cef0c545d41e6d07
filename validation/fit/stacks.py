"""Fits numbers of a software stack on published rows, ``python -m validation.fit.stacks``.

    STACK FIELD... TABLE.csv...
    nemo-2024 attention_speed tensor_overlap llm/nvidia-dgxc.csv llm/nvidia-nemo.csv

Coordinate descent on the mean absolute log error, tables weighing alike: each field in turn is multiplied by
factors that halve their distance from 1 every round. Rows of the tables that run on other stacks are left
alone, and so are the device's numbers, but ``sustained``, which may be named like a field. Nothing is
written: the numbers printed go into the stack's or the device's file by hand, with the tables as their
source.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from hardware.cluster import Cluster
from hardware.device import Device
from simdl.errors import SimdlError, StackError
from simdl.software.reader import NUMBERS, load_stack, stack_names
from simdl.software.stack import Stack
from validation.errors import RowSkippedError
from validation.published.prediction import first_that_fits, row_setup
from validation.published.rows.setup import Setup
from validation.published.tables import PublishedRow, load_table, published_folder

ROUNDS = 5
FIRST_STEP = 1.4
DEVICE_FIELD = "sustained"
FIELDS = tuple(sorted({field.name for field in fields(Stack)} & set(NUMBERS) | {DEVICE_FIELD}))
FRACTIONS = {name for name, dimension in NUMBERS.items() if dimension == "fraction"} | {DEVICE_FIELD}

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """One row that ran on the stack.

    Attributes:
        setup: the question it asks.
        table: where it stands.
    """

    setup: Setup
    table: str


def questions(rows: Sequence[PublishedRow], stack: str) -> tuple[Question, ...]:
    """The scored rows that ran on a stack."""
    found = []
    for row in rows:
        try:
            setup = row_setup(row)
        except RowSkippedError:
            continue
        if setup.stack == stack and setup.measured is not None and not setup.out_of_memory:
            found.append(Question(setup=setup, table=row.file))
    return tuple(found)


def fit_stack(asked: Sequence[Question], stack: Stack, start: Values) -> tuple[dict[str, float], float]:
    """Fields that predict the questions best, and the mean absolute log error they leave.

    Args:
        asked: rows of one or more tables.
        stack: with all numbers that are not fitted.
        start: first values of the fitted fields.
    """
    best, error = dict(start), mean_error(asked, stack, start)
    step = FIRST_STEP
    for _ in range(ROUNDS):
        for name in start:
            for factor in (step, 1 / step):
                value = best[name] * factor
                trial = best | {name: min(value, 1.0) if name in FRACTIONS else value}
                tried = mean_error(asked, stack, trial)
                if tried < error:
                    best, error = trial, tried
        step = float(np.sqrt(step))
    return best, error


def mean_error(asked: Sequence[Question], stack: Stack, values: Values) -> float:
    """Mean absolute log error of the predictions, every table weighing alike."""
    changes: dict[str, Any] = {name: value for name, value in values.items() if name != DEVICE_FIELD}
    changed = replace(stack, **changes)
    errors = pd.Series(
        [abs(_log_error(question.setup, changed, values.get(DEVICE_FIELD))) for question in asked],
        index=[question.table for question in asked],
    )
    return float(errors.groupby(level=0).mean().mean())


def _log_error(setup: Setup, stack: Stack, sustained: float | None) -> float:
    cluster = setup.cluster if sustained is None else _slowed(setup.cluster, sustained)
    report = first_that_fits(setup.workload, cluster, setup.strategies, stack)
    predicted = report.step_time if setup.unit == "s" else report.samples_per_s
    assert setup.measured is not None  # noqa: S101 - questions() keeps scored rows only
    return float(np.log(predicted / setup.measured))


@lru_cache(maxsize=4096)
def _slowed(cluster: Cluster, sustained: float) -> Cluster:
    device: Device = replace(cluster.device, sustained=sustained)
    return replace(cluster, node=replace(cluster.node, device=device))


def fit_report(name: str, names: Sequence[str], tables: Sequence[str]) -> str:
    """What a fit found.

    Args:
        name: of the stack.
        names: fields to fit, at least one.
        tables: files below ``validation/published``, at least one.

    Raises:
        StackError: no such stack or field, or no row to fit on.
        MeasurementError: no such table.
    """
    stack = load_stack(name)
    unknown = [field for field in names if field not in FIELDS]
    if unknown or not names or not tables:
        raise StackError(
            f"fields {', '.join(unknown or names) or 'none'}, tables {', '.join(tables) or 'none'}: expected "
            f"FIELD... TABLE.csv..., fields among {', '.join(FIELDS)}"
        )
    rows = [row for table in tables for row in load_table(published_folder() / table, name=table)]
    asked = questions(rows, name)
    if not asked:
        raise StackError(f"no scored row of {', '.join(tables)} runs on {name}")
    first = {field: _start(asked, stack, field) for field in names}
    before = mean_error(asked, stack, first)
    best, after = fit_stack(asked, stack, first)
    lines = [f"{name}: {len(asked)} rows, mean error {before:.1%} before, {after:.1%} after"]
    lines += [f"{field}  {first[field]:.4g} -> {best[field]:.4g}" for field in names]
    return "\n".join(lines)


def _start(asked: Sequence[Question], stack: Stack, field: str) -> float:
    if field == DEVICE_FIELD:
        return asked[0].setup.cluster.device.sustained
    return float(getattr(stack, field))


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit what the command line names, and write what was found to standard output."""
    parser = argparse.ArgumentParser(
        prog="python -m validation.fit.stacks",
        description="Fit numbers of a software stack on published training runs. Nothing is written: the "
        "numbers printed go into the stack's file by hand.",
    )
    parser.add_argument(
        "stack", choices=stack_names(), metavar="STACK", help="a file of simdl/software/stacks/"
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="FIELD|TABLE.csv",
        help=f"fields to fit ({', '.join(FIELDS)}) and tables below validation/published, such as "
        "llm/nvidia-nemo.csv",
    )
    given = parser.parse_args(arguments)
    tables = [word for word in given.words if word.endswith(".csv")]
    names = [word for word in given.words if not word.endswith(".csv")]
    try:
        report = fit_report(given.stack, names, tables)
    except SimdlError as error:
        parser.error(str(error))
    print(report)


if __name__ == "__main__":
    main()
