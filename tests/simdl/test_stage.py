"""The blocks of a stage, and what a pass of a stage takes."""

import pytest
from builders import build_network, build_stack
from uniform import uniform_network

from simdl.kernels.pricing import Work
from simdl.step.costs.stage import host_time, pass_cost, stage_blocks


def test_stages_name_their_blocks_in_chain_order():
    assert stage_blocks(build_network(4), (2, 1, 3)) == ((0, 1), (1,), (1, 1, 2))
    assert stage_blocks(uniform_network(3), (1, 2)) == ((0,), (0, 0))


def test_a_pass_takes_the_longer_of_device_and_host():
    stack = build_stack(launch=1e-5, collective_launch=3e-5, microbatch_overhead=0.0)
    busy = Work(device=1e-3, tensor=2e-4, context=1e-4, launches=20, calls=2)
    assert host_time(busy, stack) == pytest.approx(2.6e-4)
    cost = pass_cost((("forward", busy),), stack)
    assert cost.duration == pytest.approx(1.3e-3)
    assert dict(cost.parts) == pytest.approx(
        {"forward": 1e-3, "tensor_communication": 2e-4, "context_communication": 1e-4}
    )
    starved = pass_cost((("forward", busy.times(10)), ("recompute", Work(launches=10_000))), stack)
    assert starved.duration == pytest.approx(host_time(busy.times(10), stack) + 0.1)
    assert sum(seconds for _, seconds in starved.parts) == pytest.approx(starved.duration)


def test_work_adds_up_and_multiplies_by_field():
    work = Work(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7, 8)
    assert work + Work() == work
    assert work + work == work.times(2)
    assert work.busy == 21.0
