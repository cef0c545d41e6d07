"""Closed forms of pipeline time with equal stages.

GPipe: Huang et al. 2019, section 2.3. 1F1B and interleaving: Narayanan et al. 2021 (SC), sections 2.2.1 and
2.2.2. Breadth-first: Lamy-Poirier 2022, section 4. ZB-H1, ZB-H2 and ZB-V: Qi et al. 2023, table 2 and section
6. DualPipe: DeepSeek-AI 2024, table 2. PipeDream: Narayanan et al. 2019, section 3.2.
"""

import pytest
from constant_costs import Costs, constant_cost_program, orders_of_steps

from simdl.engine.run import run
from simdl.pipelines import pipeline, pipeline_order
from simdl.program.program import Lane

pytestmark = pytest.mark.theory

SIZES = [(1, 1), (2, 1), (2, 7), (3, 2), (4, 4), (4, 8), (5, 13), (8, 32), (16, 16)]
COSTS = [(1.0, 1.0), (0.013, 0.013), (0.01, 0.02), (0.3, 0.1)]
SPLIT = [(1.0, 1.0, 1.0), (2.0, 3.0, 1.0), (0.3, 0.2, 0.1), (0.01, 0.02, 0.01)]  # F, I, W with W <= F and I


def whole(costs, **more):
    """Costs of a forward and a whole backward pass."""
    return Costs(forward=costs[0], input_gradient=costs[1] / 2, weight_gradient=costs[1] / 2, **more)


def split(costs, **more):
    """Costs of a forward pass, an input gradient and a weight gradient."""
    return Costs(forward=costs[0], input_gradient=costs[1], weight_gradient=costs[2], **more)


def step_and_bubbles(name, ranks, microbatches, virtual, costs):
    """[s] of one step, and per rank what of it is bubble."""
    orders = pipeline_order(name, ranks, microbatches, virtual)
    timeline = run(constant_cost_program(orders, costs, copies=pipeline(name).copies))
    return timeline.step_time, [timeline.step_time - busy for busy in busy_times(timeline)]


def steady_bubbles(name, ranks, microbatches, virtual, costs):
    """[s] per rank of bubble between the ends of two steps, of which others come before and after."""
    orders = orders_of_steps(pipeline(name), ranks, microbatches, virtual, 4)
    timeline = run(constant_cost_program(orders, costs, copies=pipeline(name).copies))
    ends = [[0.0] * 4 for _ in orders]
    for task, end in zip(timeline.program.tasks, timeline.end, strict=True):
        own = ends[timeline.program.streams[task.streams[0]].rank]
        step = task.microbatch // microbatches
        own[step] = max(own[step], end)
    return [own[2] - own[1] - busy / 4 for own, busy in zip(ends, busy_times(timeline), strict=True)]


def busy_times(timeline):
    """[s] per rank of computation."""
    busy = [0.0] * len(timeline.program.classes)
    for task in timeline.program.tasks:
        rank, lane = timeline.program.streams[task.streams[0]]
        busy[rank] += task.duration if lane == Lane.COMPUTE else 0.0
    return busy


@pytest.mark.parametrize("name", ["gpipe", "1f1b"])
@pytest.mark.parametrize("costs", COSTS)
@pytest.mark.parametrize(("p", "m"), SIZES)
def test_bubble_of_one_stage_per_rank(name, p, m, costs):
    step, bubbles = step_and_bubbles(name, p, m, 1, whole(costs))
    assert step == pytest.approx((m + p - 1) * sum(costs), rel=1e-9)
    assert bubbles == pytest.approx([(p - 1) * sum(costs)] * p, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", ["interleaved-1f1b", "breadth-first"])
@pytest.mark.parametrize("costs", COSTS[1:3])
@pytest.mark.parametrize("v", [1, 2, 3, 4])
@pytest.mark.parametrize(("p", "m"), [(2, 2), (2, 8), (3, 6), (4, 4), (4, 16), (8, 24)])
def test_virtual_stages_divide_the_bubble(name, p, m, v, costs):
    chunk = tuple(cost / v for cost in costs)
    step, bubbles = step_and_bubbles(name, p, m, v, whole(chunk))
    assert bubbles == pytest.approx([(p - 1) * sum(costs) / v] * p, rel=1e-9)
    assert bubbles[0] / step == pytest.approx((p - 1) / (v * m + p - 1), rel=1e-9)


@pytest.mark.parametrize(("p", "m"), SIZES)
def test_transfers_show_once_per_hop_in_fill_and_drain_of_gpipe(p, m):
    step, _ = step_and_bubbles("gpipe", p, m, 1, whole((1.0, 2.0), transfer=0.25))
    assert step == pytest.approx((m + p - 1) * 3.0 + 2 * (p - 1) * 0.25, rel=1e-9)


@pytest.mark.parametrize("costs", SPLIT)
@pytest.mark.parametrize(("p", "m"), [(1, 1), (2, 2), (2, 7), (3, 3), (4, 4), (4, 9), (8, 32)])
def test_bubble_of_zb_h1(p, m, costs):
    forward, backward, weight = costs
    _, bubbles = step_and_bubbles("zb-h1", p, m, 1, split(costs))
    assert bubbles == pytest.approx([(p - 1) * (forward + backward - weight)] * p, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("costs", SPLIT)
@pytest.mark.parametrize(("p", "m"), [(1, 1), (2, 3), (2, 8), (3, 5), (4, 7), (4, 12), (8, 15)])
def test_steady_bubble_of_zb_h2(p, m, costs):
    forward, backward, weight = costs
    bubbles = steady_bubbles("zb-h2", p, m, 1, split(costs))
    assert bubbles == pytest.approx([(p - 1) * (forward + backward - 2 * weight)] * p, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("cost", [1.0, 0.013])
@pytest.mark.parametrize(("p", "m"), [(1, 1), (2, 3), (2, 8), (3, 5), (4, 7), (4, 12), (8, 15)])
def test_zb_v_has_no_steady_bubble_at_equal_parts(p, m, cost):
    assert steady_bubbles("zb-v", p, m, 2, split((cost,) * 3)) == pytest.approx([0.0] * p, abs=1e-9)
    unequal = steady_bubbles("zb-v", p, m, 2, split((cost, 2 * cost, cost)))
    assert min(unequal) > 0 or p == 1


@pytest.mark.parametrize("costs", [(1.0, 1.0, 1.0), (2.0, 2.0, 1.0), (0.03, 0.03, 0.02)])
@pytest.mark.parametrize(("p", "m"), [(2, 4), (2, 10), (4, 8), (4, 14), (6, 12), (8, 20)])
def test_bubble_of_dualpipe(p, m, costs):
    forward, backward, weight = costs
    full = backward + weight
    for overlapped in (forward + full, 0.8 * (forward + full)):
        expected = (p // 2 - 1) * (overlapped + full - 3 * weight)
        _, bubbles = step_and_bubbles("dualpipe", p, m, 1, split(costs, overlapped=overlapped))
        assert bubbles[p // 2 - 1 : p // 2 + 1] == pytest.approx([expected] * 2, rel=1e-9, abs=1e-9)
        if overlapped == forward + full:
            assert bubbles == pytest.approx([expected] * p, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("costs", COSTS)
@pytest.mark.parametrize(("p", "m"), [(1, 1), (2, 1), (4, 2), (4, 9), (8, 16)])
def test_pipedream_has_no_steady_bubble(p, m, costs):
    assert steady_bubbles("pipedream", p, m, 1, whole(costs)) == pytest.approx([0.0] * p, abs=1e-9)
