"""Long trainings: simulated failures against closed forms, and checkpoints of strategies."""

from math import inf

import pytest
from builders import build_cluster
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.money.outlook import outlook
from planner.questions.question import Options, load_question
from simdl.errors import SimdlError
from simdl.reliability.checkpoint import checkpoint_bytes
from simdl.reliability.failures import Failures, failure_problems
from simdl.reliability.intervals import best_interval, daly_interval, expected_waste, young_interval
from simdl.reliability.simulate import simulate_goodput, simulate_intervals

MTBF = 10_000.0


def least_waste(failures):
    """The least simulated waste over intervals that are 5 % apart."""
    middle = best_interval(failures.checkpoint, MTBF)
    grid = [middle * 1.05**number for number in range(-10, 11)]
    return min(each.waste for each in simulate_intervals(grid, failures, mtbf=MTBF, stretches=2000))


@pytest.mark.theory
@pytest.mark.parametrize("checkpoint", [10.0, 100.0, 1000.0])
def test_dalys_interval_wastes_within_two_percent_of_the_least(checkpoint):
    failures = Failures(checkpoint=checkpoint, restart=60.0)
    found = simulate_goodput(daly_interval(checkpoint, MTBF), failures, mtbf=MTBF, stretches=2000)
    assert found.waste <= 1.02 * least_waste(failures)


@pytest.mark.theory
def test_youngs_interval_does_too_where_checkpoints_are_short_and_not_where_they_are_long():
    short, long = Failures(checkpoint=10.0, restart=60.0), Failures(checkpoint=20_000.0, restart=60.0)
    waste = [
        simulate_goodput(young_interval(each.checkpoint, MTBF), each, mtbf=MTBF, stretches=2000).waste
        for each in (short, long)
    ]
    assert waste[0] <= 1.02 * least_waste(short)
    assert 1 - waste[1] < 0.9 * (1 - least_waste(long))


@pytest.mark.theory
@pytest.mark.parametrize("interval", [200.0, 1000.0, 5000.0])
@pytest.mark.parametrize("restart", [0.0, 500.0])
def test_simulated_waste_is_the_expected_one(interval, restart):
    failures = Failures(checkpoint=100.0, restart=restart)
    found = simulate_goodput(interval, failures, mtbf=MTBF, stretches=8000)
    expected = expected_waste(interval, checkpoint=100.0, mtbf=MTBF, restart=restart)
    assert found.waste == pytest.approx(expected, rel=0.02)


@pytest.mark.theory
@pytest.mark.parametrize("checkpoint", [1.0, 50.0, 2000.0])
def test_the_best_interval_is_best(checkpoint):
    best = best_interval(checkpoint, MTBF)
    wastes = [
        expected_waste(best * factor, checkpoint=checkpoint, mtbf=MTBF, restart=0.0)
        for factor in (0.9, 1.0, 1.1)
    ]
    assert min(wastes) == wastes[1]
    assert daly_interval(checkpoint, MTBF) == pytest.approx(best, rel=0.03)


@pytest.mark.theory
def test_waiting_for_the_only_spare_node():
    """One spare, repaired after D: a failure waits max(0, D - time since the last) = M exp(-D/M) - M + D."""
    repair = MTBF
    failures = Failures(checkpoint=0.0, restart=0.0, spares=1, repair=repair)
    found = simulate_goodput(1.0, failures, mtbf=MTBF, stretches=8000)
    # the first spare is back D after the failure before; the gap from it is exponential plus the own wait
    assert 0.2 < found.waiting < 0.4
    plenty = simulate_goodput(
        1.0, Failures(checkpoint=0.0, restart=0.0, spares=50, repair=repair), mtbf=MTBF, stretches=8000
    )
    assert plenty.waiting == 0.0


@settings(max_examples=30, deadline=None)
@given(
    checkpoint=st.floats(0.0, 5000.0),
    restart=st.floats(0.0, 5000.0),
    interval=st.floats(1.0, 50_000.0),
    spares=st.one_of(st.none(), st.integers(0, 3)),
)
@pytest.mark.property
def test_shares_of_the_time_add_up(checkpoint, restart, interval, spares):
    failures = Failures(checkpoint=checkpoint, restart=restart, spares=spares)
    found = simulate_goodput(interval, failures, mtbf=MTBF, stretches=50)
    parts = (found.goodput, found.checkpoints, found.lost, found.restarts, found.waiting)
    assert sum(parts) == pytest.approx(1.0, rel=1e-9)
    assert min(parts) >= 0.0


def test_what_never_fails_needs_no_checkpoint():
    found = simulate_goodput(inf, Failures(checkpoint=10.0), mtbf=inf)
    assert (found.goodput, found.waste) == (1.0, 0.0)
    assert simulate_goodput(90.0, Failures(checkpoint=10.0), mtbf=inf).goodput == pytest.approx(0.9)


@pytest.mark.theory
def test_failures_of_devices_and_nodes_add_up():
    cluster = build_cluster(4, devices=8)
    failures = Failures(checkpoint=0.0, device_mtbf=3200.0, node_mtbf=400.0)
    assert failures.mtbf(cluster) == pytest.approx(1 / (32 / 3200 + 4 / 400))
    assert Failures(checkpoint=0.0, device_mtbf=inf, node_mtbf=inf).mtbf(cluster) == inf


@pytest.mark.published
def test_16384_h100_fail_every_three_hours():
    """Dubey et al. 2024, table 5: 419 unexpected interruptions in 54 days."""
    cluster = load_question(Options(model="gpt2", cluster="dgx-h100:2048")).cluster
    assert Failures(checkpoint=0.0).mtbf(cluster) == pytest.approx(54 * 86400 / 419)


@pytest.mark.theory
def test_a_checkpoint_holds_master_copies_and_moments_once():
    workload = load_question(Options(model="gpt2", cluster="dgx-a100:2")).workload
    assert checkpoint_bytes(workload) == 12 * workload.network.parameters


def test_the_outlook_of_a_plan():
    question = load_question(Options(model="gpt2", cluster="dgx-a100:2", global_batch=64))
    found = outlook(question.workload, question.cluster, step_time=0.5, horizon=86400.0)
    assert 0.9 < found.goodput < 1.0
    assert found.samples == pytest.approx(64 * found.steps) == pytest.approx(64 * 2 * 86400 * found.goodput)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device_mtbf": 0.0}, "device_mtbf: found 0.0; expected above 0"),
        ({"checkpoint": -1.0}, "checkpoint: found -1.0"),
        ({"restart": inf}, "restart: found inf"),
        ({"spares": -1}, "spares: found -1"),
    ],
)
def test_numbers_that_cannot_be(changes, message):
    assert any(message in each for each in failure_problems(Failures(**({"checkpoint": 1.0} | changes))))


def test_an_interval_of_nothing_is_refused():
    with pytest.raises(SimdlError, match="interval: found 0"):
        simulate_goodput(0.0, Failures(checkpoint=1.0), mtbf=MTBF)
    with pytest.raises(SimdlError, match="interval: found -1"):
        expected_waste(-1.0, checkpoint=1.0, mtbf=MTBF, restart=0.0)
