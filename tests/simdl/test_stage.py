"""Cutting a chain into stages, and what a pass of a stage takes."""

from itertools import combinations, pairwise

import pytest
from conftest import build_network, build_stack
from hypothesis import given, settings
from hypothesis import strategies as st
from uniform import uniform_layer, uniform_network

from simdl.pricing import Work
from simdl.stage import balanced_cut, host_time, pass_cost, split_network, stage_blocks
from workloads.network import Block, Network

chains = st.lists(st.integers(1, 50), min_size=1, max_size=9)


def parts(chain, cut):
    ends = [sum(cut[:index]) for index in range(len(cut) + 1)]
    return [sum(chain[first:last]) for first, last in pairwise(ends)]


def least_maximum(chain, stages):
    places = range(1, len(chain))
    cuts = ((0, *inner, len(chain)) for inner in combinations(places, stages - 1))
    return min(max(sum(chain[a:b]) for a, b in pairwise(cut)) for cut in cuts)


@pytest.mark.property
@settings(deadline=None)
@given(chains, st.data())
def test_balanced_cut_equals_brute_force(chain, data):
    stages = data.draw(st.integers(1, len(chain)))
    cut = balanced_cut(chain, stages)
    assert len(cut) == stages
    assert min(cut) >= 1
    assert sum(cut) == len(chain)
    assert max(parts(chain, cut)) == pytest.approx(least_maximum(chain, stages), rel=1e-9)


@pytest.mark.property
@settings(deadline=None)
@given(chains, st.data())
def test_uneven_networks_are_cut_as_brute_force_does(weights, data):
    blocks = tuple(Block(name=f"b{i}", layers=(uniform_layer(),)) for i in range(len(weights)))
    network = Network(name="chain", blocks=blocks, source="test", sample="image")
    stages = data.draw(st.integers(1, len(weights)))
    cut = split_network(network, stages, weights)
    assert sum(cut) == len(weights)
    # Relative weights are rounded to a thousandth before the cut.
    slack = len(weights) * 1e-3 * max(weights)
    assert max(parts(weights, cut)) <= least_maximum(weights, stages) + slack


def test_repeated_blocks_that_divide_are_cut_evenly():
    network = build_network(8)
    assert split_network(network, 4, [1.0, 1.0, 1.0]) == (3, 2, 2, 3)
    assert split_network(network, 4, [100.0, 1.0, 100.0]) == (3, 2, 2, 3)


def test_repeated_blocks_that_do_not_divide_follow_the_weights():
    network = build_network(6)
    assert split_network(network, 4, [0.0, 1.0, 1.0]) == (3, 2, 2, 1)


def test_one_stage_has_every_block():
    assert split_network(build_network(6), 1, [1.0, 1.0, 1.0]) == (8,)


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
    work = Work(1.0, 2.0, 3.0, 4.0, 5, 6)
    assert work + Work() == work
    assert work + work == work.times(2)
    assert work.busy == 10.0
