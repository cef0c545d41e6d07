"""What is a kernel's own in a measured call, and how runs and rounds are compared."""

from dataclasses import replace

import pytest
from measured_rows import LAUNCHES, measured_rows, setting

from validation.calibration.outcome import agreement_of_rounds, agreement_of_runs, contention, skipped_cases
from validation.calibration.rows import LEAST_SHARE, Dispatch, measured_dispatch, timed_kernels
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.families.overheads import GRADIENT, GRADIENT_CALL, IN_A_ROW, LAYER
from validation.microbenchmarks.measurement import Measurement

PAIR = ("elementwise/input gradient", "reduction/gradient sums")


def row(kernel, value, family="streaming", turn=0, **dims):
    case = Case(family=family, kernel=kernel, dims=dims or {"elements": 1024}, nbytes=1e4)
    return Measurement(setting=setting(), case=case, turn=turn, date="", value=value)


def launches():
    return [row(kernel, seconds, "launch", count=1) for kernel, seconds in LAUNCHES.items()]


def own(rows, key):
    (found,) = timed_kernels(rows)[key]
    return found.seconds


def test_a_framework_spends_what_its_launches_show():
    found = measured_dispatch(launches())
    assert found.forward == pytest.approx(LAUNCHES[LAYER] - LAUNCHES[IN_A_ROW])
    assert (found.gradient, found.call) == (LAUNCHES[GRADIENT], LAUNCHES[GRADIENT_CALL])
    assert measured_dispatch(launches()[:2]) == Dispatch()


@pytest.mark.parametrize(
    ("kernel", "seconds"),
    [
        ("elementwise/relu", 1.0),
        ("elementwise/relu gradient", 2.0 - 5.0),
        ("matmul/input gradient", 2.0),
        ("gather/scatter", 1.0),
        ("gather/table gradient", 2.0),
    ],
)
def test_a_kernel_gets_what_is_spent_around_it_in_a_step(kernel, seconds):
    assert Dispatch(forward=1.0, gradient=2.0, call=5.0).around(kernel) == seconds


def test_of_two_kernels_in_one_call_each_has_its_own_time():
    first, second = PAIR
    rows = [row(first, 5e-4), row(second, 2e-4)]
    assert own(rows, first) == pytest.approx(3e-4)
    assert own(rows, second) == pytest.approx(2e-4)
    assert own(rows[:1], first) == pytest.approx(5e-4)


@pytest.mark.parametrize(("step", "wanted"), [(5e-5, [1.4e-3]), (9e-5, []), (None, [])])
def test_products_of_many_inputs_are_what_a_walk_takes_beyond_one_of_few(step, wanted):
    """One that was slow when it walked over few inputs, or was not measured so, tells nothing."""
    dims = {"steps": 32, "batch": 4, "hidden": 128}
    rows = [row("matmul/lstm input product", 3e-3, "recurrence", **dims, inputs=128)]
    if step:
        rows.append(row("matmul/lstm step product", step, "recurrence", **dims))
    found = timed_kernels(rows).get("matmul/lstm input product/fp32", [])
    assert [each.seconds for each in found] == pytest.approx(wanted)


def test_a_kernel_keeps_a_share_of_its_call():
    first, second = PAIR
    assert own([row(first, 5e-4), row(second, 6e-4)], first) == pytest.approx(LEAST_SHARE * 5e-4)


def test_the_call_is_taken_off_and_the_node_put_on():
    rows = [*launches(), row("elementwise/relu gradient", 1e-4)]
    wanted = 1e-4 - LAUNCHES[GRADIENT_CALL] + LAUNCHES[GRADIENT]
    assert own(rows, "elementwise/relu gradient") == pytest.approx(wanted)


def test_runs_and_rounds_are_compared_by_case():
    rows = [row("elementwise/relu", 1.0), row("elementwise/relu", 1.1, turn=1), row("elementwise/add", 4.0)]
    assert agreement_of_rounds(rows).median == pytest.approx(0.1)
    assert agreement_of_rounds(rows[:1]) is None
    later = [replace(found, value=found.value * 0.9) for found in rows]
    found = agreement_of_runs(rows, later)
    assert (found.cases, found.median, found.bias) == (2, pytest.approx(0.1), pytest.approx(-0.1))
    assert agreement_of_runs(rows, [row("elementwise/tanh", 1.0)]) is None


def test_skipped_cases_are_counted_and_contention_is_a_ratio():
    rows = list(measured_rows(noise=0.0, rounds=1))
    assert skipped_cases(rows) == {("power", "not supported: no counters"): 2}
    assert contention(rows) == {"contention/product": 1.5, "contention/add": 1.5}
