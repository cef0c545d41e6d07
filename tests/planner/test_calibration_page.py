"""Figures and page of a calibration: points and cells are the measurements that they are given."""

import json
from dataclasses import replace

import pytest

from planner.pages.figures.calibration import CalibrationPoint, fitted_figure, residual_figure
from planner.pages.page import Table, render_page
from planner.pages.sections.calibration import HEADER, calibration_page


def point(
    family="fp32", size=1e9, measured=1.0, predicted=1.1, *, kind="matmul", unit="FLOP", held_out=False
):
    return CalibrationPoint(
        kind=kind,
        family=family,
        setting="1 process",
        label=f"{size:g}",
        size=size,
        unit=unit,
        measured=measured,
        predicted=predicted,
        held_out=held_out,
    )


PRODUCTS = (
    point(size=4e9, measured=4.0, predicted=3.0),
    point(size=1e9),
    point(size=2e9, measured=2.0, predicted=1.9, held_out=True),
)
COPY = point("copy", 1e6, 1e-3, 1e-3, kind="elementwise", unit="B")
POINTS = (*PRODUCTS, COPY)


def test_a_family_is_drawn_as_rates_with_held_out_points_hollow():
    line, fitted, held_out = fitted_figure(PRODUCTS).data
    assert line.mode == "lines"
    assert list(line.x) == [1e9, 2e9, 4e9]
    assert list(line.y) == [1e9 / 1.1, 2e9 / 1.9, 4e9 / 3.0]
    assert list(fitted.x) == [1e9, 4e9]
    assert list(fitted.y) == [1e9, 1e9]
    assert list(held_out.x) == [2e9]
    assert held_out.marker.symbol == "circle-open"
    assert fitted.marker.symbol == "circle"


@pytest.mark.parametrize("predicted", [1.0, 1.2])
def test_predictions_that_depend_on_more_than_the_size_are_dashes(predicted):
    dashes = fitted_figure((*PRODUCTS, point(size=2e9, predicted=predicted))).data[0]
    assert dashes.mode == "markers"
    assert list(dashes.y) == [1e9 / 1.1, 2e9 / predicted, 2e9 / 1.9, 4e9 / 3.0]


def test_families_have_panels_and_settings_colours():
    points = [
        replace(point(family), setting=setting)
        for family in ("a", "b", "c", "d")
        for setting in ("1 process", "2 processes")
    ]
    figure = fitted_figure(points)
    assert [note.text for note in figure.layout.annotations] == ["a", "b", "c", "d"]
    measured = [trace for trace in figure.data if trace.name.startswith("measured")]
    assert [trace.xaxis for trace in measured] == [name for name in ("x", "x2", "x3", "x4") for _ in range(2)]
    assert len({trace.marker.color for trace in measured}) == 2
    assert [trace.showlegend for trace in measured] == [True, True, *[False] * 6]
    named = [axis.title.text for axis in figure.select_xaxes()]
    assert named == ["", "size [FLOP]", "size [FLOP]", "size [FLOP]"]  # the last of each column
    assert [axis.matches for axis in figure.select_yaxes()] == [None, "y", "y", "y"]


def test_axes_carry_the_unit_of_the_kind():
    layout = fitted_figure([COPY]).layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("size [B]", "rate [B/s]")
    assert (layout.xaxis.type, layout.yaxis.type) == ("log", "log")
    assert residual_figure(POINTS).layout.xaxis.title.text == "predicted / measured - 1 [%]"


def test_residuals_are_those_of_the_points():
    fitted, held_out = residual_figure(POINTS).data
    assert list(fitted.x) == pytest.approx([-25.0, 10.0, 0.0])
    assert list(fitted.y) == ["matmul", "matmul", "elementwise"]
    assert list(held_out.x) == pytest.approx([-5.0])


def test_the_page_has_a_figure_per_kind_and_cells_of_the_errors():
    data = {"points": len(POINTS)}
    page = calibration_page(POINTS, data, title="tiny", headline="So.", lines=("one", "two"))
    titles = [section.title for section in page.sections]
    assert titles == [
        "Residuals by kind",
        "Distribution of residuals",
        "Matmul",
        "Elementwise",
        "Residuals by family",
    ]
    kinds, families = page.sections[0].body, page.sections[-1].body
    assert isinstance(kinds, Table)
    assert isinstance(families, Table)
    assert [row[0].text for row in kinds.rows] == ["matmul", "elementwise"]
    assert [row[0].text for row in families.rows] == ["matmul: fp32", "elementwise: copy"]
    first = dict(zip(HEADER, kinds.rows[0], strict=True))
    assert first["measured by"].text == "1 process"
    assert first["fitted on"].value == 2
    assert first["median error"].value == pytest.approx(0.175)
    assert first["largest error"].text == "25.0%"
    assert first["median error of held out"].value == pytest.approx(0.05)
    assert kinds.rows[1][5].value == 0
    assert kinds.rows[1][6].text == "-"
    assert json.dumps(data) in render_page(page)
