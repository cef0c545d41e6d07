"""Predictions of published rows as a frame: one line per row, a column per thing that is compared."""

from collections.abc import Iterable

import pandas as pd

from validation.judging.tables import JSON_COLUMNS
from validation.published.prediction import RowResult

# Batch is that of a step, question what alternatives share, feasible whether the memory [bytes] suffices.
COLUMNS = (
    *JSON_COLUMNS,
    "fitted",
    "batch",
    "question",
    "assumptions",
    "warnings",
    "out_of_memory",
    "feasible",
    "measured_memory",
    "predicted_memory",
)


def results_frame(results: Iterable[RowResult]) -> pd.DataFrame:
    """The results, in order; cells are empty where a row is no question or has no prediction."""
    frame = pd.DataFrame([_cells(result) for result in results], columns=COLUMNS)
    numbers = ("measured", "predicted", "batch", "measured_memory", "predicted_memory")
    return frame.astype(dict.fromkeys(numbers, float) | {"fitted": bool})


def _cells(result: RowResult) -> tuple[object, ...]:
    row, setup, report = result.row, result.setup, result.report
    printed = (row.file, row.number, row["source_item"])
    if setup is None:
        return (*printed, None, result.predicted, None, result.skipped, result.fitted, *[None] * 8)
    return (
        *printed,
        setup.measured,
        result.predicted,
        setup.unit,
        result.skipped,
        result.fitted,
        setup.workload.global_batch,
        setup.question,
        setup.assumptions,
        setup.warnings,
        setup.out_of_memory,
        None if report is None else report.feasible,
        setup.measured_memory,
        None if report is None else report.peak_memory,
    )
