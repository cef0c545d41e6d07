"""Predictions of published rows as a frame: one line per row, a column per thing that is compared."""

from collections.abc import Iterable, Mapping

import pandas as pd

from simdl.report.ties import cause_shares
from validation.judging.tables import JSON_COLUMNS
from validation.published.peaks import predicted_peak
from validation.published.prediction import RowResult

# Batch is that of a step, question what alternatives share, feasible whether the memory [bytes] suffices,
# implied a failure that another row's batch implies, shares those of the step by cause (simdl.report.ties).
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
    "implied",
    "shares",
    "knowledge",
    "kind",
)


def cells_frame(
    cells: Iterable[Mapping[str, object]], failures: Iterable[Mapping[str, object]] = ()
) -> pd.DataFrame:
    """The frame of results whose cells are filled in already, as by other processes."""
    lines = [{**line, "implied": False} for line in cells]
    lines += [{**line, "implied": True} for line in failures]
    frame = pd.DataFrame(lines, columns=COLUMNS)
    numbers = ("measured", "predicted", "batch", "measured_memory", "predicted_memory")
    return frame.astype(dict.fromkeys(numbers, float) | {"fitted": bool, "implied": bool})


def result_cells(result: RowResult) -> dict[str, object]:
    """One line of the frame, without whether the run was only implied."""
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
        cells |= {"feasible": report.feasible, "predicted_memory": predicted_peak(row, setup, report)}
        cells |= {"shares": tuple(cause_shares(report).tolist())}
        cells |= {name: report.provenance.get(name) for name in ("knowledge", "kind")}
    return cells
