"""How steady a machine was: drift from rounds of equal cases, pace from a probe, in profile and interval."""

import datetime as dt
from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
from measured_rows import FACTS, setting, write_measurements

from hardware.errors import ProfileError
from hardware.profiles import load_cluster
from simdl.report.certainty import step_interval
from validation.calibration.session import fit_file
from validation.calibration.steadiness import steadiness_of
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.journal import (
    append_measurements,
    finish_journal,
    read_journal,
    start_journal,
)
from validation.microbenchmarks.measurement import Measurement

START = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)


def rows(speeds, *, per_window=20, scatter=0.0, pace=0.0):
    """The same cases in every window of four seconds, as long as the machine's log speed then says."""
    generator = np.random.default_rng(7)
    for turn, speed in enumerate(speeds):
        moment = (START + dt.timedelta(seconds=4 * turn)).isoformat()
        for number in range(per_window):
            yield Measurement(
                setting=setting(),
                case=Case(family="streaming", kernel="elementwise/relu", dims={"elements": number + 1}),
                turn=turn,
                date=moment,
                value=exp(speed + scatter * generator.standard_normal()) * 1e-3,
                samples=5,
                pace=pace * exp(speed),
            )


@pytest.mark.theory
def test_drift_is_the_spread_of_what_all_cases_share():
    speeds = [0.0, 0.2, 0.1, 0.3]
    expected = float(np.std(speeds, ddof=1)) * (4 / 3) ** 0.5
    found = steadiness_of(list(rows(speeds, pace=2e-4)))
    assert found.drift == pytest.approx(expected, rel=1e-6)
    assert found.pace == pytest.approx(2e-4)  # beside the rows that are kept, those of the fastest window


@pytest.mark.theory
def test_what_single_rows_scatter_is_no_drift():
    assert steadiness_of(list(rows([0.0] * 8, per_window=200, scatter=0.2))).drift < 0.04


def test_nothing_measured_twice_and_nothing_probed_tells_nothing():
    assert steadiness_of(list(rows([0.0]))) is None
    assert steadiness_of(list(rows([0.0], pace=1e-4))).pace == pytest.approx(1e-4)


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """Of a machine whose rounds lie 30 % apart, in windows by turns."""
    folder = tmp_path_factory.mktemp("drifting")
    path = write_measurements(folder, 1, "torch")
    measured = read_journal(path).measurements
    again = []
    for place, row in enumerate(measured):
        slow = place // 40 % 2
        moment = (START + dt.timedelta(seconds=place / 10)).isoformat()
        fast = replace(row, date=moment, pace=2e-4 * 1.3**slow, value=row.value * 1.3**slow)
        later = (START + dt.timedelta(seconds=1000 + place / 10)).isoformat()
        again += [fast, replace(fast, turn=1, date=later, value=row.value * 1.3 ** (1 - slow))]
    start_journal(path, ())
    append_measurements(path, again)
    finish_journal(path)
    return fit_file(path, FACTS).files[1]


def test_a_profile_says_how_steady_its_machine_was(profile, tmp_path):
    found = load_cluster(str(profile)).node.steadiness
    assert 0.1 < found.drift < 0.3
    assert found.pace == pytest.approx(2e-4, rel=0.31)
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
