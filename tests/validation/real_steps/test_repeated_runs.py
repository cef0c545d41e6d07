"""Runs of a case that are repeated until two agree, on made-up trainings."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from hardware.cluster import Steadiness
from simdl.report.certainty import Interval
from validation.errors import TrainerError
from validation.real_steps import rounds, runs
from validation.real_steps.cases import CPU_CASES
from validation.real_steps.load import (
    agreeing_errors,
    calibrated_errors,
    drift_sentence,
    row_interval,
    steady_errors,
)
from validation.real_steps.rounds import seconds_left, train_all
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
            middle = sorted(steps)[len(steps) // 2]
            return SimpleNamespace(steps=steps, step_time=middle, spread=0.5, pace=3e-4)

        node = SimpleNamespace(steadiness=Steadiness(drift=0.1, pace=2e-4))
        question = SimpleNamespace(workload=None, cluster=SimpleNamespace(node=node), stack=None)
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


def report(seconds):
    """A prediction whose own interval is a tenth wide."""
    interval = Interval(level=0.9, low=seconds / 1.1, high=seconds * 1.1, knowledge="measured")
    return SimpleNamespace(step_time=seconds, interval=interval)


@pytest.mark.theory
def test_a_case_is_steady_if_its_runs_agree_and_the_machine_is_as_fast_as_when_it_was_calibrated(trained):
    agreeing = replace(trained([1.0] * 5, [1.01] * 5), predicted=report(1.2))
    apart = replace(trained([1.0] * 5, [1.5] * 5), predicted=report(1.2))
    assert agreeing.slower == pytest.approx(0.5)
    rows = [agreeing, replace(agreeing, slower=-0.02), replace(agreeing, slower=None), apart]
    assert agreeing_errors(rows).n == 3
    assert steady_errors(rows).n == 2
    assert steady_errors(rows).median == pytest.approx(0.2)


@pytest.mark.theory
def test_a_machine_that_has_slowed_down_is_said_corrected_for_and_widens_the_interval(trained):
    slow = replace(trained([1.5] * 5, [1.5] * 5), predicted=report(1.0), others=0.0)
    fast = replace(slow, slower=-0.2)
    assert slow.calibrated_time == pytest.approx(1.0)
    assert calibrated_errors([slow, replace(slow, slower=None)]).max == pytest.approx(0.0)
    assert (row_interval(slow, 2).low, row_interval(slow, 2).high) == pytest.approx((1 / 1.1, 1.5 * 1.1))
    assert (row_interval(fast, 2).low, row_interval(fast, 2).high) == pytest.approx((0.8 / 1.1, 1.1))
    assert "-20% to +50% longer" in drift_sentence([slow, fast])
    unfollowed = replace(slow, slower=None)
    assert "unknown, because kernels" in drift_sentence([unfollowed])
    assert drift_sentence([replace(unfollowed, measured=SimpleNamespace(pace=0.0))]) == ""


def test_cases_run_twice_far_apart_and_again_until_the_limit(monkeypatch):
    now, order = [0.0], []

    def run(row, _profiles, _device):
        now[0] += 10.0
        order.append(row.case.batch)
        seconds = 1.0 if row.case is CPU_CASES[0] else 1.0 + len(row.repeats)  # the first one's runs agree
        return replace(row, repeats=tuple(sorted((*row.repeats, seconds))))

    monkeypatch.setattr(rounds, "run_again", run)
    chosen, said = (CPU_CASES[0], CPU_CASES[2]), []
    first, second = (case.batch for case in chosen)

    def train(limit):
        now[0] = 0.0
        order.clear()
        train_all(chosen, {1: "profile"}, "cpu", limit=limit, say=said.append, clock=lambda: now[0])
        return order

    assert train(0.0) == [first, second, first, second]
    assert said[0] == "run 1: 1 of 2 cases, about 30 s left, 30 s where runs do not agree"
    assert train(1e9) == [first, second, first, second, second, second]
    (skipped,), _ = train_all(chosen[:1], {2: "profile"}, "cpu", limit=0.0, say=said.append)
    assert "no profile for 1 processes" in skipped.skipped


def test_kernels_are_measured_further_between_first_and_second_runs(monkeypatch):
    seen, said, now = [], [], [0.0]

    def run(row, profiles, _device):
        seen.append(profiles[1])
        now[0] += 10.0
        return replace(row, measured=SimpleNamespace(spread=0.0), repeats=(*row.repeats, 1.0))

    def measure():
        seen.append("measuring")
        now[0] += 1000.0  # is no time of training: a third run would still begin
        return {1: "second"}

    monkeypatch.setattr(rounds, "run_again", run)
    monkeypatch.setattr(rounds, "predicted_again", lambda row, profiles: replace(row, item=profiles[1]))
    between = rounds.Between(profiles=measure, seconds=70.0)
    (row,), stopped = train_all(
        CPU_CASES[:1], {1: "first"}, "cpu", limit=30.0, say=said.append, between=between, clock=lambda: now[0]
    )
    assert seen == ["first", "measuring", "second"]
    assert (row.item, stopped) == ("second", False)
    assert said == [
        "run 1: 1 of 1 cases, about 80 s left, 90 s where runs do not agree",
        "all cases have run once; kernels are measured further before they run again",
        "run 2: 1 of 1 cases, about 0 s left, 10 s where runs do not agree",
    ]


def test_first_runs_outlive_kernels_that_cannot_be_measured_further(monkeypatch):
    def run(row, profiles, _device):
        return replace(
            row, item=profiles[1], measured=SimpleNamespace(spread=0.0), repeats=(*row.repeats, 1.0)
        )

    def measure():
        raise TrainerError("a rank ended")

    monkeypatch.setattr(rounds, "run_again", run)
    between, said = rounds.Between(profiles=measure, seconds=70.0), []
    (row,), _ = train_all(CPU_CASES[:1], {1: "first"}, "cpu", limit=0.0, say=said.append, between=between)
    assert (row.item, row.repeats) == ("first", (1.0, 1.0))
    assert "could not be measured further (a rank ended); predictions follow the first half" in said[2]


def test_a_row_is_predicted_again_by_profiles_fitted_anew_with_the_strategy_that_ran(trained, monkeypatch):
    row = replace(trained([1.0] * 5), strategy="the one that ran")
    taken = []

    def simulate(_workload, _cluster, strategy, **_options):
        taken.append(strategy)
        return SimpleNamespace(report=report(1.3))

    monkeypatch.setattr(runs, "simulate", simulate)
    assert runs.predicted_again(row, {1: "profile-1.toml"}).predicted.step_time == 1.3
    assert taken == ["the one that ran"]
    waiting = HardwareRow(case=CPU_CASES[0], item="case")
    assert runs.predicted_again(waiting, {1: "profile-1.toml"}) is waiting


def test_what_was_trained_before_an_interruption_is_kept(monkeypatch):
    def run(row, _profiles, _device):
        if row.case is CPU_CASES[1]:
            raise KeyboardInterrupt
        return replace(row, measured=SimpleNamespace(spread=0.0), repeats=(1.0,))

    monkeypatch.setattr(rounds, "run_again", run)
    said = []
    (first, second), stopped = train_all(CPU_CASES[:2], {1: "profile"}, "cpu", limit=0.0, say=said.append)
    assert (first.skipped, first.repeats) == ("", (1.0,))
    assert second.skipped == "stopped before it was trained"
    assert stopped
    assert said[-1].startswith("Stopped")


@pytest.mark.theory
def test_time_left_is_that_of_two_runs_of_every_case():
    assert seconds_left({0: 2.0, 1: 4.0}, [0, 1, 2], 1, turn=1) == pytest.approx(3.0 + 2.0 + 4.0 + 3.0)
    assert seconds_left({0: 2.0, 1: 4.0}, [0, 1], 0, turn=2) == pytest.approx(4.0)
