"""How steady a machine was: drift from residuals, pace from a probe, in profile and interval."""

import datetime as dt
from dataclasses import replace
from math import log

import numpy as np
import pytest
from measured_rows import FACTS, setting, write_measurements

from hardware.errors import ProfileError
from hardware.profiles import load_cluster
from simdl.report.certainty import step_interval
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy
from validation.calibration.session import fit_file
from validation.calibration.steadiness import drift_between, steadiness_of
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.journal import (
    append_measurements,
    finish_journal,
    read_journal,
    start_journal,
)
from validation.microbenchmarks.measurement import Measurement, at_one_speed
from validation.microbenchmarks.suite import first_round
from validation.real_steps.cases import HardwareCase
from validation.real_steps.runs import case_question

START = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)


def windows(speeds, *, rows, scatter=0.0):
    """What rows miss their fits by in windows in which the machine has such a log speed."""
    generator = np.random.default_rng(7)
    return {
        number: [speed + scatter * generator.standard_normal() for _ in range(rows)]
        for number, speed in enumerate(speeds)
    }


@pytest.mark.theory
def test_drift_is_the_spread_of_what_all_rows_of_a_window_share():
    speeds = [0.0, 0.2, 0.1, 0.3]
    expected = float(np.std(speeds, ddof=1))
    assert drift_between(windows(speeds, rows=20)) == pytest.approx(expected)
    assert drift_between(windows(speeds, rows=200, scatter=0.1)) == pytest.approx(expected, rel=0.1)


@pytest.mark.theory
def test_what_single_rows_scatter_by_is_no_drift():
    assert drift_between(windows([0.0] * 12, rows=60, scatter=0.2)) < 0.02


def test_few_rows_or_windows_tell_nothing():
    assert drift_between(windows([0.0, 0.5, 0.1, 0.2], rows=7)) is None
    assert drift_between(windows([0.0, 0.5, 0.1], rows=20)) is None


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """Of a machine that takes 40 % longer in every other ten seconds, rows in the order of a run."""
    folder = tmp_path_factory.mktemp("drifting")
    path = write_measurements(folder, 1, "torch")
    measured = [row for row in read_journal(path).measurements if row.turn == 0]
    order = enumerate(first_round(len(measured)))
    start_journal(path, ())
    append_measurements(path, [_slowed(measured, index, place) for place, index in order])
    finish_journal(path)
    return fit_file(path, FACTS).files[1]


def _slowed(measured, index, place):
    """The row as it would have been measured at its place, ten a second."""
    seconds = place / 10
    factor = 1.4 if seconds // 10 % 2 else 1.0
    moment = (START + dt.timedelta(seconds=seconds)).isoformat(timespec="seconds")
    return replace(measured[index], date=moment, pace=2e-4 * factor, value=measured[index].value * factor)


@pytest.mark.theory
@pytest.mark.parametrize(("followed", "pace"), [(True, 1e-4), (False, None)])
def test_a_probe_that_kernels_do_not_follow_is_no_measure_of_speed(tmp_path, followed, pace):
    """Two rounds of forty cases, the probe twice as slow in every other second round, kernels too or not."""
    first = read_journal(write_measurements(tmp_path, 1, "torch")).measurements[:40]
    first = [replace(row, turn=0, value=1.0, unit="s", pace=1e-4, skipped="") for row in first]
    later = [
        replace(row, turn=1, pace=2e-4, value=2.0 if followed else 0.9) if place % 2 else replace(row, turn=1)
        for place, row in enumerate(first)
    ]
    found = steadiness_of((*first, *later), ())
    assert (found and found.pace) == pace


def test_a_profile_says_how_steady_its_machine_was(profile, tmp_path):
    found = load_cluster(str(profile)).node.steadiness
    assert 0.1 < found.drift < 0.25  # half of log 1.4, and more for the windows of both speeds
    assert found.pace in (pytest.approx(2e-4), pytest.approx(2.8e-4))
    question = case_question(HardwareCase(network="lenet5", batch=64), str(profile))
    strategy = Strategy(micro_batch=64)
    report = simulate(question.workload, question.cluster, strategy, stack=question.stack).report
    assert any(f"speed wandered by {found.drift:.0%} while" in warning for warning in report.warnings)
    assert log(report.interval.high / report.step_time) > 1.64 * found.drift
    bad = tmp_path / "bad.toml"
    bad.write_text(profile.read_text(encoding="utf-8").replace("drift = { value = ", "drift = { value = -"))
    said = r"steadiness\.drift: found -0\.\d+; expected a number, not below zero"
    with pytest.raises(ProfileError, match=said):
        load_cluster(str(bad))


@pytest.mark.theory
def test_drift_widens_an_interval_as_an_error_that_all_seconds_share():
    quiet, drifting = (
        step_interval(1.0, {"forward": 1.0}, "measured", kind="other networks", drift=drift)
        for drift in (0.0, 0.1)
    )
    sigma = log(quiet.high) / 1.6448536
    assert log(drifting.high) == pytest.approx(1.6448536 * (sigma**2 + 0.1**2) ** 0.5)
    assert drifting.low * drifting.high == pytest.approx(1.0)


def rounds_of(*, follows):
    """Two rounds of thirty cases, the second one on a machine that is half as fast by its probe.

    Kernels are too where they follow it, each to its degree; else they are nearly as fast as before.
    """
    for number in range(30):
        case = Case(family="streaming", kernel="elementwise/relu", dims={"elements": number + 1})
        first = Measurement(setting=setting(), case=case, turn=0, date="", value=1.0, pace=2e-4)
        slower = 2.0 + number / 30
        yield first
        yield replace(first, turn=1, value=slower if follows else 1.1, pace=2e-4 * slower)


@pytest.mark.theory
def test_rows_are_told_at_the_usual_speed_of_the_machine_where_they_follow_its_probe():
    cases = [Case(family="streaming", kernel="elementwise/tanh", dims={"elements": n}) for n in (1, 2)]
    slow = Measurement(setting=setting(), case=cases[0], turn=0, date="", value=1.5, pace=3e-4)
    unprobed = replace(slow, case=cases[1], value=4.0, pace=0.0)
    found = {row.case.key: row for row in at_one_speed([*rounds_of(follows=True), slow, unprobed])}
    assert found[cases[0].key].value == pytest.approx(1.0)
    assert found[cases[0].key].slowed == pytest.approx(1.5)
    assert found[cases[1].key].value == 4.0
    plain = {row.case.key: row for row in at_one_speed([*rounds_of(follows=False), slow])}
    assert plain[cases[0].key].value == 1.5
    assert plain[cases[0].key].slowed == 1.0


def test_without_second_rounds_nothing_tells_whether_kernels_follow_the_probe():
    once = [row for row in rounds_of(follows=True) if row.turn == 0]
    slow = replace(once[0], value=3.0, pace=6e-4)
    assert [row.value for row in at_one_speed([slow, *once[1:]])] == [3.0, *[1.0] * 29]
