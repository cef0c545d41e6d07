"""The report page of a calibration: residuals and fitted curves of every setting."""

from collections.abc import Mapping, Sequence
from typing import Any

from hardware.units import format_quantity
from planner.pages.figures.calibration import CalibrationPoint
from planner.pages.page import Page
from planner.pages.sections.calibration import calibration_page
from validation.calibration.residual import Residual
from validation.calibration.session import Calibration, shape_text
from validation.microbenchmarks.session import describe

COUNTED = ("matmul", "convolution", "attention")
"""Kinds of kernels whose amount of work is their flops; of the others, their bytes."""


def calibrations_page(found: Sequence[Calibration], data: Any) -> Page:  # noqa: ANN401 - JSON
    """One page for all numbers of processes: kernels by kind, then the link between processes."""
    points = [_point(each, row) for each in found for row in each.residuals]
    points += [point for each in found for point in _link_points(each)]
    lines = [describe(each.fitted.setting) for each in found]
    lines += [f"Verdict: {text}" for text in map(_verdict, data.get("calibrations", ()))]
    lines.append("Residuals are of fits without the held-out rows; the profile is fitted on all rows.")
    return calibration_page(points, data, title="Calibration", headline=data["headline"], lines=lines)


def _verdict(record: Mapping[str, Any]) -> str:
    """What a setting's profile is good for, and why."""
    given = record["verdict"]
    return f"{given['word']}{': ' * bool(given['reasons'])}{'; '.join(given['reasons'])}"


def _point(found: Calibration, row: Residual) -> CalibrationPoint:
    kernel = row.timed.kernel
    kind, _, family = row.key.partition("/")
    counted = kind in COUNTED
    return CalibrationPoint(
        kind=kind,
        family=family,
        setting=_setting(found),
        label=shape_text(row),
        size=kernel.flops if counted else kernel.nbytes,
        unit="FLOP" if counted else "B",
        measured=row.timed.seconds,
        predicted=row.predicted,
        held_out=row.timed.held_out,
    )


def _link_points(found: Calibration) -> list[CalibrationPoint]:
    """The all-reduces from which the link between processes was fitted."""
    link = found.fitted.link
    return [
        CalibrationPoint(
            kind="link",
            family="all-reduce",
            setting=_setting(found),
            label=format_quantity(row.nbytes, "bytes"),
            size=row.nbytes,
            unit="B",
            measured=row.seconds,
            predicted=row.predicted,
            held_out=False,
        )
        for row in (link.rows if link else ())
    ]


def _setting(found: Calibration) -> str:
    processes = found.fitted.setting.processes
    return "1 process" if processes == 1 else f"{processes} processes"
