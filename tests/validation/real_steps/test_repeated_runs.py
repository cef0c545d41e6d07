"""Runs of a case that are repeated until two agree, on made-up trainings."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from validation.errors import TrainerError
from validation.real_steps import runs
from validation.real_steps.cases import CPU_CASES
from validation.real_steps.load import steady_errors
from validation.real_steps.runs import APART, REPEATS, HardwareRow, quiet_step, run_again, unquiet


@pytest.fixture
def trained(monkeypatch):
    """`run_again` of a row whose runs take the given steps [s]; None for a run that fails."""

    def build(*lists):
        waiting = iter(lists)

        def measure(_case):
            steps = next(waiting)
            if steps is None:
                raise TrainerError("rank 1 ended with status 1")
            return SimpleNamespace(steps=steps, step_time=sorted(steps)[len(steps) // 2], spread=0.5)

        question = SimpleNamespace(workload=None, cluster=None, stack=None)
        report = SimpleNamespace(report=SimpleNamespace(step_time=1.0))
        monkeypatch.setattr(runs, "measure_training", measure)
        monkeypatch.setattr(runs, "case_question", lambda *_: question)
        monkeypatch.setattr(runs, "case_strategy", lambda *_: None)
        monkeypatch.setattr(runs, "simulate", lambda *_, **__: report)
        monkeypatch.setattr(runs, "TrainingCase", SimpleNamespace)
        row = HardwareRow(case=CPU_CASES[0], item="case")
        for _ in lists:
            row = run_again(row, {1: "profile-1.toml"}, "cpu")
        return row

    return build


@pytest.mark.theory
def test_a_step_is_the_lower_quartile_of_a_run():
    assert quiet_step([5.0, 1.0, 2.0, 3.0, 4.0]) == 2.0


def test_the_quickest_run_counts_and_runs_tell_how_far_they_lie_apart(trained):
    row = trained([2.0] * 5, [1.0] * 5, [1.1] * 5)
    assert row.repeats == (1.0, 1.1, 2.0)
    assert (row.step_time, row.measured.steps[0]) == (1.0, 1.0)
    assert row.spread == pytest.approx(0.1)


def test_a_case_runs_twice_and_until_two_runs_agree_or_there_are_four(trained):
    assert unquiet(trained([1.0] * 5))
    assert not unquiet(trained([1.0] * 5, [1.0 + APART / 2] * 5))
    assert unquiet(trained([1.0] * 5, [1.0 + 2 * APART] * 5))
    assert not unquiet(trained(*([1.0 + turn] * 5 for turn in range(REPEATS))))


def test_a_run_that_fails_is_skipped_and_spoils_no_other(trained):
    assert "rank 1" in trained(None).skipped
    assert not unquiet(trained(None))
    later = trained([1.0] * 5, None)
    assert (later.skipped, later.repeats) == ("", (1.0,))


@pytest.mark.theory
def test_errors_of_steady_cases_are_those_whose_runs_agree(trained):
    steady, other = trained([1.0] * 5, [1.01] * 5), trained([1.0] * 5, [1.5] * 5)
    found = steady_errors([replace(steady, predicted=SimpleNamespace(step_time=1.2)), other])
    assert found.n == 1
    assert found.median == pytest.approx(0.2)
