"""Comparison of fabricated predictions: errors, skips, assumptions, ranking, memory, JSON."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from validation.published.compare import compare
from validation.published.prediction import RowResult
from validation.published.report import (
    error_rows,
    fit_rows,
    memory_rows,
    ranking_rows,
    reason_rows,
    report_json,
)
from validation.published.results import cells_frame, result_cells
from validation.published.tables import LLM_COLUMNS, PublishedRow


@dataclass
class FakeSetup:
    """The part of a setup that comparison reads."""

    measured: float | None = 1.0
    unit: str = "s"
    out_of_memory: bool = False
    measured_memory: float | None = None
    tensors_alone: bool = False
    question: tuple = ("q",)
    assumptions: tuple = ()
    warnings: tuple = ()
    workload: object = field(default_factory=lambda: SimpleNamespace(global_batch=8))


def row(number, file="a.csv"):
    cells = dict.fromkeys(LLM_COLUMNS, "") | {"source_item": f"item {number}"}
    return PublishedRow(file=file, number=number, kind="llm", cells=cells)


def faked(*, feasible, peak=0.0):
    return SimpleNamespace(
        feasible=feasible,
        peak_memory=peak,
        step_time=1.0,
        breakdown={"forward": 1.0},
        kernels={},
        provenance={"knowledge": "fitted", "kind": "language models"},
    )


def scored(number, predicted, *, feasible=True, fitted=False, file="a.csv", peak=0.0, **setup):
    report = faked(feasible=feasible, peak=peak)
    return RowResult(
        row=row(number, file),
        setup=FakeSetup(**setup),
        report=report,
        predicted=predicted,
        fitted=fitted,
    )


def skipped(number, reason, file="a.csv", **setup):
    report = faked(feasible=False) if setup else None
    return RowResult(
        row=row(number, file), setup=FakeSetup(**setup) if setup else None, report=report, skipped=reason
    )


def compared(results):
    return compare(cells_frame(map(result_cells, results)))


def test_errors_are_relative_to_the_measurement():
    section = compared([scored(1, 1.1, measured=1.0), scored(2, 1.5, measured=2.0)]).overall
    assert section.errors.n == 2
    assert section.errors.mean == pytest.approx((0.1 + 0.25) / 2)
    assert section.errors.bias == pytest.approx((0.1 - 0.25) / 2)
    assert section.errors.max == pytest.approx(0.25)


def test_skipped_rows_are_counted_by_reason_and_never_scored():
    comparison = compared([scored(1, 1.0), skipped(2, "why"), skipped(3, "why"), skipped(4, "other")])
    assert comparison.overall.skip_reasons == {"why": 2, "other": 1}
    assert (comparison.overall.predicted, comparison.overall.skipped) == (1, 3)
    assert reason_rows(comparison) == [("a.csv", "2", "why"), ("a.csv", "1", "other")]


def test_rows_used_for_fitting_are_kept_apart():
    section = compared([scored(1, 1.0, fitted=True), scored(2, 1.4)]).overall
    assert (section.fitted.n, section.fitted.mean) == (1, 0.0)
    assert section.held_out.mean == pytest.approx(0.4)


def test_assumptions_are_counted():
    section = compared([scored(1, 1.0, assumptions=("x", "y")), scored(2, 1.0, assumptions=("x",))]).overall
    assert (section.assumed_rows, section.assumptions) == (2, {"x": 2, "y": 1})


def test_files_have_their_own_sections_and_an_overall_row():
    comparison = compared([scored(1, 1.0), scored(1, 2.0, file="b.csv")])
    assert list(comparison.files) == ["a.csv", "b.csv"]
    assert [line[0] for line in error_rows(comparison)] == ["b.csv", "a.csv", "overall"]  # the weakest first


def test_ranking_compares_rows_of_one_question_per_sample():
    small = SimpleNamespace(global_batch=1)
    results = [
        scored(1, 8.0, measured=8.0),  # 1 s a sample
        scored(2, 0.5, measured=2.0, workload=small),  # measured 2 s, predicted 0.5 s a sample
        scored(3, 5.0, question=("other",)),
    ]
    ranking = compared(results).overall.ranking
    assert (ranking.groups, ranking.rows) == (1, 2)
    assert ranking.mean_correlation == pytest.approx(-1)
    assert ranking.max_regret == pytest.approx(1.0)


def test_throughput_ranks_by_its_inverse():
    results = [
        scored(1, 10.0, measured=10.0, unit="samples/s"),
        scored(2, 20.0, measured=30.0, unit="samples/s"),
    ]
    assert compared(results).overall.ranking.mean_correlation == pytest.approx(1)


def test_equal_predictions_are_no_choice():
    assert compared([scored(1, 1.0), scored(2, 1.0, measured=3.0)]).overall.ranking.groups == 0


def test_memory_checks_count_failures_and_fits():
    results = [
        scored(1, 1.0),
        scored(2, 1.0, feasible=False),
        scored(3, 1.0, peak=11.0, measured_memory=10.0),
        skipped(4, "ran out of memory", measured=None, out_of_memory=True),
    ]
    memory = compared(results).overall.memory
    assert (memory.ran, memory.ran_predicted) == (3, 2)
    assert (memory.failed, memory.failed_predicted) == (1, 1)
    assert memory.peaks.bias == pytest.approx(0.1)


def test_json_has_the_contract_keys():
    results = [scored(1, 1.1), skipped(2, "why")]
    data = report_json(cells_frame(map(result_cells, results)), compared(results), {"x.csv": "other header"})
    assert data["rows"] == [
        {
            "file": "a.csv",
            "row": 1,
            "item": "item 1",
            "measured": 1.0,
            "predicted": 1.1,
            "unit": "s",
            "skipped": None,
        },
        {
            "file": "a.csv",
            "row": 2,
            "item": "item 2",
            "measured": None,
            "predicted": None,
            "unit": None,
            "skipped": "why",
        },
    ]
    assert data["summary"]["skipped_files"] == {"x.csv": "other header"}
    assert data["summary"]["files"]["a.csv"]["errors"]["n"] == 1


def test_nothing_scored_still_reports():
    comparison = compared([skipped(1, "why")])
    assert error_rows(comparison)[0][5:] == ("-",) * 5
    assert fit_rows(comparison)[0][1] == "0"
    assert ranking_rows(comparison) == []
    assert memory_rows(comparison) == []


def test_warnings_are_said_once():
    results = [scored(1, 1.0, warnings=("unknown source",)), scored(2, 1.0, warnings=("unknown source",))]
    assert compared(results).warnings == ("unknown source",)
