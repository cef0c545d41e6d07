"""Figures and page of a calibration: points and cells are the measurements that they are given."""

import json
from dataclasses import replace

import pytest
from figures import in_base_units

from planner.pages.figures.calibration import (
    CalibrationPoint,
    clipped_at,
    fitted_figure,
    residual_figure,
    setting_colours,
)
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


def drawn(points):
    return fitted_figure(points, setting_colours(points))


def test_a_family_is_drawn_as_rates_with_held_out_points_hollow():
    figure = drawn(PRODUCTS)
    line, fitted, held_out = figure.data
    assert line.mode == "lines"
    assert in_base_units(figure, line, "x") == [1e9, 2e9, 4e9]
    assert in_base_units(figure, line, "y") == pytest.approx([1e9 / 1.1, 2e9 / 1.9, 4e9 / 3.0])
    assert in_base_units(figure, fitted, "x") == [1e9, 4e9]
    assert in_base_units(figure, fitted, "y") == pytest.approx([1e9, 1e9])
    assert in_base_units(figure, held_out, "x") == [2e9]
    assert held_out.marker.symbol == "circle-open"
    assert fitted.marker.symbol == "circle"


@pytest.mark.parametrize("predicted", [1.0, 1.2])
def test_predictions_that_depend_on_more_than_the_size_are_dashes(predicted):
    figure = drawn((*PRODUCTS, point(size=2e9, predicted=predicted)))
    dashes = figure.data[0]
    assert dashes.mode == "markers"
    expected = [1e9 / 1.1, 2e9 / predicted, 2e9 / 1.9, 4e9 / 3.0]
    assert in_base_units(figure, dashes, "y") == pytest.approx(expected)


def test_families_have_panels_and_settings_colours():
    points = [
        replace(point(family), setting=setting)
        for family in ("a", "b", "c", "d")
        for setting in ("1 process", "2 processes")
    ]
    figure = drawn(points)
    assert [note.text for note in figure.layout.annotations] == ["a", "b", "c", "d"]
    measured = [trace for trace in figure.data if trace.name.startswith("measured")]
    assert [trace.xaxis for trace in measured] == [name for name in ("x", "x2", "x3", "x4") for _ in range(2)]
    assert len({trace.marker.color for trace in measured}) == 2
    assert [trace.showlegend for trace in measured] == [True, True, *[False] * 6]
    named = [axis.title.text for axis in figure.select_xaxes()]
    assert named == ["", "size [GFLOP]", "size [GFLOP]", "size [GFLOP]"]  # the last of each column
    assert [axis.matches for axis in figure.select_yaxes()] == [None, "y", "y", "y"]


def test_axes_carry_the_unit_of_the_kind():
    layout = drawn([COPY]).layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("size", "rate [GB/s]")
    assert list(layout.xaxis.ticktext) == ["512 KiB", "1 MiB"]  # 1 MB lies between
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


def test_outliers_are_clipped_and_the_page_says_which():
    good = [point(size=1e9 + n, predicted=1.0 + 0.01 * n) for n in range(20)]
    wild = [point("odd", size=5e9, predicted=40.0), point("odd", size=6e9, measured=9.0, predicted=0.5)]
    assert clipped_at(good) == 0.5  # a good fit is drawn whole
    assert clipped_at(good[:1]) == 0.5
    points = [*good, *wild]
    edge = clipped_at(points)
    assert 0.5 <= edge < 0.95
    page = calibration_page(points, {}, title="t", headline="h", lines=())
    section = page.sections[1]
    errors = [error for trace in section.body.data for error in trace.x]
    assert min(errors) == pytest.approx(-100 * edge)
    assert max(errors) == pytest.approx(100 * edge)
    assert len(errors) == len(points)
    assert f"2 of 22 lie beyond {edge:.0%} and stand at the edge: " in section.note
    assert "matmul odd, 5e+09: +3,900%; matmul odd, 6e+09: -94%." in section.note
    page = calibration_page(good, {}, title="t", headline="h", lines=())
    assert "None is clipped." in page.sections[1].note
