"""Ties and expected regrets, against closed forms and as properties."""

from math import erf, exp, log, sqrt
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simdl.report.certainty import alternative_spread, factors, spreads
from simdl.report.ties import are_ties, expected_regrets, tied_with_the_first

KINDS = st.sampled_from(sorted(factors()))
SECONDS = st.floats(1e-3, 1e3)
NINETY = 1.6448536


def plan(knowledge="fitted", kind="language models", **breakdown):
    known = {"knowledge": knowledge, "kind": kind}
    return SimpleNamespace(
        step_time=sum(breakdown.values()), breakdown=breakdown, kernels={}, provenance=known
    )


@given(SECONDS, KINDS)
@pytest.mark.property
def test_plans_that_are_longer_by_one_factor_are_told_apart_beyond_their_own_spread(seconds, kind):
    # what both spend on causes in like shares differs by the factor less one
    own, kernels = alternative_spread(), factors()[kind] * spreads()["fitted"]["kernels"]
    for factor in (1.05, 1.5):
        first, second = (plan(kind=kind, forward=seconds * each) for each in (1.0, factor))
        spread = sqrt(own**2 + (kernels * (sqrt(factor) - 1 / sqrt(factor))) ** 2)
        assert are_ties(first, second) == (log(factor) <= NINETY * spread)


def test_seconds_of_an_unsure_cause_make_ties_of_what_sure_ones_tell_apart():
    first, sure, unsure = plan(forward=1.0), plan(forward=1.12), plan(forward=1.0, data_communication=0.12)
    assert not are_ties(first, sure)
    assert are_ties(plan("unknown", forward=1.0), plan("unknown", forward=1.0, data_communication=0.12))
    assert not are_ties(first, unsure, level=0.8)


def test_ties_are_counted_from_the_first_on():
    plans = [plan(forward=1.0), plan(forward=1.01), plan(forward=1.0, bubble=5.0), plan(forward=1.0)]
    assert tied_with_the_first(plans) == 2
    assert tied_with_the_first([]) == 0


def test_the_regret_of_two_alike_plans_is_that_of_the_larger_of_two_normals():
    # log of the ratio has the spread s: E[max(exp(x), 1)] - 1 with x normal(0, s), half above
    spread = alternative_spread()
    above = exp(spread**2 / 2) * (1 + erf(spread / sqrt(2))) / 2
    found = expected_regrets([plan(forward=1.0), plan(forward=1.0)])
    assert found == pytest.approx([above + 0.5 - 1] * 2, rel=0.05)


def test_a_plan_far_ahead_is_regretted_by_nobody_and_a_surer_one_less_than_its_like():
    assert expected_regrets([plan(forward=1.0), plan(forward=2.0)]) == pytest.approx([0, 1], abs=1e-2)
    sure, unsure = expected_regrets([plan(forward=1.0), plan(forward=0.5, data_communication=0.5)])
    assert sure < unsure
