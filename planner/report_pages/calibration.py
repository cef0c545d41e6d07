"""The page of `simdl calibrate`: fitted curves over the points, and residuals by family."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from planner.figures.calibration import CalibrationPoint, families, fitted_figure, residual_figure
from planner.report_page import Cell, Page, Section, Table

HEADER = (
    "family",
    "fitted on",
    "median error",
    "largest error",
    "held out",
    "median error of held out",
    "largest error of held out",
)


def calibration_page(
    points: Sequence[CalibrationPoint],
    data: Any,  # noqa: ANN401 - JSON
    *,
    title: str,
    lines: Sequence[str],
) -> Page:
    """The page of a calibration.

    Args:
        points: measured and predicted; families stand in their order.
        data: the command's JSON.
        title: device and libraries in a few words.
        lines: sentences under the title.
    """
    grouped = families(points)
    return Page(
        title=title,
        lines=tuple(lines),
        sections=(
            Section(
                title="Residuals by family",
                body=Table(header=HEADER, rows=tuple(_row(*item) for item in grouped.items())),
                note="Sizes of predicted / measured - 1; held-out points took no part in the fit.",
            ),
            Section(
                title="Distribution of residuals",
                body=residual_figure(points),
                note="One point per measurement; the dotted lines are 10 % on either side.",
            ),
            *(
                Section(
                    title=name,
                    body=fitted_figure(found),
                    note="Rate by size; hollow points were held out, the line joins what the fitted profile "
                    "predicts for these very points.",
                )
                for name, found in grouped.items()
            ),
        ),
        data=data,
    )


def _row(name: str, points: Sequence[CalibrationPoint]) -> tuple[Cell, ...]:
    cells = [Cell(text=name)]
    for held_out in (False, True):
        errors = [abs(point.error) for point in points if point.held_out is held_out]
        cells.append(Cell(text=str(len(errors)), value=len(errors)))
        cells += [_share(median(errors)), _share(max(errors))] if errors else [Cell(text="-"), Cell(text="-")]
    return tuple(cells)


def _share(share: float) -> Cell:
    return Cell(text=f"{share:.1%}", value=share)
