"""Figures and page of a calibration: points and cells are the measurements that they are given."""

import json

import pytest

from planner.figures.calibration import CalibrationPoint, families, fitted_figure, residual_figure
from planner.report_page import Table, render_page
from planner.report_pages.calibration import HEADER, calibration_page


def point(family="matmul fp32", size=1e9, measured=1.0, predicted=1.1, unit="FLOP", *, held_out=False):
    return CalibrationPoint(
        family=family,
        label=f"{size:g}",
        size=size,
        unit=unit,
        measured=measured,
        predicted=predicted,
        held_out=held_out,
    )


POINTS = (
    point(size=4e9, measured=4.0, predicted=3.0),
    point(size=1e9),
    point(size=2e9, measured=2.0, predicted=1.9, held_out=True),
    point("copy", 1e6, 1e-3, 1e-3, "B"),
)


def test_a_family_is_drawn_as_rates_with_held_out_points_hollow():
    line, fitted, held_out = fitted_figure(POINTS[:3]).data
    assert list(line.x) == [1e9, 2e9, 4e9]
    assert list(line.y) == [1e9 / 1.1, 2e9 / 1.9, 4e9 / 3.0]
    assert list(fitted.x) == [1e9, 4e9]
    assert list(fitted.y) == [1e9, 1e9]
    assert list(held_out.x) == [2e9]
    assert held_out.marker.symbol == "circle-open"
    assert fitted.marker.symbol == "circle"


def test_axes_carry_the_unit_of_the_family():
    layout = fitted_figure(POINTS[3:]).layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("size [B]", "rate [B/s]")
    assert (layout.xaxis.type, layout.yaxis.type) == ("log", "log")
    assert residual_figure(POINTS).layout.xaxis.title.text == "predicted / measured - 1 [%]"


def test_residuals_are_those_of_the_points():
    fitted, held_out = residual_figure(POINTS).data
    assert list(fitted.x) == pytest.approx([-25.0, 10.0, 0.0])
    assert list(fitted.y) == ["matmul fp32", "matmul fp32", "copy"]
    assert list(held_out.x) == pytest.approx([-5.0])


def test_the_page_has_a_figure_per_family_and_cells_of_the_errors():
    data = {"points": len(POINTS)}
    page = calibration_page(POINTS, data, title="tiny", lines=("one", "two"))
    assert (
        [section.title for section in page.sections[2:]] == list(families(POINTS)) == ["matmul fp32", "copy"]
    )
    table = page.sections[0].body
    assert isinstance(table, Table)
    first = dict(zip(HEADER, table.rows[0], strict=True))
    assert first["fitted on"].value == 2
    assert first["median error"].value == pytest.approx(0.175)
    assert first["largest error"].text == "25.0%"
    assert first["median error of held out"].value == pytest.approx(0.05)
    assert table.rows[1][4].value == 0
    assert table.rows[1][5].text == "-"
    assert json.dumps(data) in render_page(page)
