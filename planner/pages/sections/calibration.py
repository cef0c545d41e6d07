"""The page of `simdl calibrate`: fitted curves over the points, and residuals by family."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from planner.pages.figures.calibration import (
    CalibrationPoint,
    Part,
    clipped_at,
    fitted_figure,
    group_points,
    outliers,
    residual_figure,
    setting_colours,
)
from planner.pages.page import Cell, Page, Section, Table

NAMED = 3  # clipped points that the note names
LABEL = 48  # characters of each
SIZES = "Sizes of predicted / measured - 1; held-out points took no part in the fit."
CURVES = (
    "Rate by size, a panel per family; hollow points were held out. Lines and dashes are what the fitted "
    "profile predicts for these very points: dashes where it depends on more than the size."
)
HEADER = (
    "what",
    "measured by",
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
    headline: str,
    lines: Sequence[str],
) -> Page:
    """The page of a calibration.

    Args:
        points: measured and predicted; kinds and families stand in their order.
        data: the command's JSON.
        title: device and libraries in a few words.
        headline: how good the fit is, in a sentence.
        lines: sentences under the title.
    """
    kinds = group_points(points, lambda point: point.kind)
    colours = setting_colours(points)
    return Page(
        title=title,
        headline=headline,
        lines=tuple(lines),
        sections=(
            Section(title="Residuals by kind", body=_table(points, lambda point: point.kind), note=SIZES),
            Section(
                title="Distribution of residuals",
                body=residual_figure(points),
                note=f"One point per measurement; the band is 10 % wide on either side. {_clipped(points)}",
            ),
            *(
                Section(title=kind.capitalize(), body=fitted_figure(found, colours), note=CURVES, wide=True)
                for kind, found in kinds.items()
            ),
            Section(
                title="Residuals by family",
                body=_table(points, lambda point: f"{point.kind}: {point.family}"),
                note=SIZES,
            ),
        ),
        data=data,
    )


def _clipped(points: Sequence[CalibrationPoint]) -> str:
    """Which points are drawn at the edge, and how many."""
    far = outliers(points)
    if not far:
        return "None is clipped."
    named = "; ".join(f"{p.kind} {p.family}, {_short(p.label)}: {p.error:+,.0%}" for p in far[:NAMED])
    more = f"; {len(far) - NAMED:,} more" if len(far) > NAMED else ""
    verb = "lie" if len(far) > 1 else "lies"
    return (
        f"{len(far):,} of {len(points):,} {verb} beyond {clipped_at(points):.0%} and stand at the edge: "
        f"{named}{more}."
    )


def _short(label: str) -> str:
    return label if len(label) <= LABEL else f"{label[: LABEL - 3]}..."


def _table(points: Sequence[CalibrationPoint], part: Part) -> Table:
    """Errors of every part in every setting."""
    rows = [
        _row(name, setting, found)
        for name, alike in group_points(points, part).items()
        for setting, found in group_points(alike, lambda point: point.setting).items()
    ]
    return Table(header=HEADER, rows=tuple(rows))


def _row(name: str, setting: str, points: Sequence[CalibrationPoint]) -> tuple[Cell, ...]:
    cells = [Cell(text=name), Cell(text=setting)]
    for held_out in (False, True):
        errors = [abs(point.error) for point in points if point.held_out is held_out]
        cells.append(Cell(text=str(len(errors)), value=len(errors)))
        cells += [_share(median(errors)), _share(max(errors))] if errors else [Cell(text="-"), Cell(text="-")]
    return tuple(cells)


def _share(share: float) -> Cell:
    return Cell(text=f"{share:.1%}", value=share)
