"""Closed forms of pipeline time and memory with equal stages.

GPipe: Huang et al. 2019, section 2.3. 1F1B and interleaving: Narayanan et al. 2021 (SC), sections 2.2.1 and
2.2.2.
"""

import pytest

from simdl.engine.run import run
from simdl.pipelines import peak_in_flight, pipeline_order
from simdl.pipelines.constant_costs import constant_cost_schedule
from simdl.timeline_metrics import breakdowns, bubble_fraction

pytestmark = pytest.mark.theory

SIZES = [(1, 1), (2, 1), (2, 7), (3, 2), (4, 4), (4, 8), (5, 13), (8, 32), (16, 16)]
COSTS = [(1.0, 1.0), (0.013, 0.013), (0.01, 0.02), (0.3, 0.1)]


def timeline_of(name, ranks, microbatches, virtual, *, costs, transfer=0.0):
    orders = pipeline_order(name, ranks, microbatches, virtual)
    return run(constant_cost_schedule(orders, forward=costs[0], backward=costs[1], transfer=transfer))


@pytest.mark.parametrize("name", ["gpipe", "1f1b"])
@pytest.mark.parametrize("costs", COSTS)
@pytest.mark.parametrize(("p", "m"), SIZES)
def test_bubble_fraction_of_one_stage_per_rank(name, p, m, costs):
    timeline = timeline_of(name, p, m, 1, costs=costs)
    assert timeline.step_time == pytest.approx((m + p - 1) * sum(costs), rel=1e-9)
    assert bubble_fraction(timeline) == pytest.approx((p - 1) / (m + p - 1), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("costs", COSTS)
@pytest.mark.parametrize("v", [1, 2, 3, 4])
@pytest.mark.parametrize(("p", "m"), [(2, 2), (2, 8), (3, 6), (4, 4), (4, 16), (8, 24)])
def test_interleaving_divides_the_bubble_by_the_virtual_stages(p, m, v, costs):
    chunk = tuple(cost / v for cost in costs)
    plain = timeline_of("1f1b", p, m, 1, costs=costs)
    interleaved = timeline_of("interleaved-1f1b", p, m, v, costs=chunk)
    assert bubble_fraction(interleaved) == pytest.approx((p - 1) / (v * m + p - 1), rel=1e-9)
    bubble = [sum(cause["bubble"] for cause in breakdowns(each).values()) for each in (plain, interleaved)]
    assert bubble[1] == pytest.approx(bubble[0] / v, rel=1e-9)


@pytest.mark.parametrize(("p", "m"), SIZES)
def test_transfers_show_once_per_hop_in_fill_and_drain_of_gpipe(p, m):
    timeline = timeline_of("gpipe", p, m, 1, costs=(1.0, 2.0), transfer=0.25)
    assert timeline.step_time == pytest.approx((m + p - 1) * 3.0 + 2 * (p - 1) * 0.25, rel=1e-9)


@pytest.mark.parametrize(("p", "m"), SIZES)
def test_live_activations_of_one_stage_per_rank(p, m):
    assert peak_in_flight("gpipe", p, m) == (m,) * p
    assert peak_in_flight("1f1b", p, m) == tuple(min(m, p - rank) for rank in range(p))


@pytest.mark.parametrize("v", [2, 3])
@pytest.mark.parametrize(("p", "m"), [(2, 2), (4, 4), (4, 16), (8, 24)])
def test_live_activations_of_interleaving(p, m, v):
    expected = tuple(min(v * m, 2 * (p - rank - 1) + (v - 1) * p + 1) for rank in range(p))
    assert peak_in_flight("interleaved-1f1b", p, m, v) == expected
