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


def _cells(result: RowResult) -> dict[str, object]:
    row, setup, report = result.row, result.setup, result.report
    cells: dict[str, object] = {
        "file": row.file,
        "row": row.number,
        "item": row["source_item"],
        "predicted": result.predicted,
        "skipped": result.skipped,
        "fitted": result.fitted,
    }
    if setup is not None:
        cells |= {
            "measured": setup.measured,
            "unit": setup.unit,
            "batch": setup.workload.global_batch,
            "question": setup.question,
            "assumptions": setup.assumptions,
            "warnings": setup.warnings,
            "out_of_memory": setup.out_of_memory,
            "measured_memory": setup.measured_memory,
        }
    if report is not None:
        cells |= {"feasible": report.feasible, "predicted_memory": report.peak_memory}
    return cells
