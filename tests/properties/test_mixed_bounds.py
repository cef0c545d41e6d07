"""Bounds and plans on mixed clusters: never above the simulator, and certified to be the best of all."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.bounds.mixed import estimate_mixed_bounds
from planner.search.mixed import plan_mixed
from planner.search.plan import stack_limits
from planner.space.candidates import enumerate_space, single_space
from simdl.memory.needs import usable_memory
from simdl.step.kinds import uniform_clusters
from simdl.step.mixed import mixed_memory, mixed_step
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy

pytestmark = pytest.mark.property
KINDS = ((1.0, 1.0, 1e10), (2.5, 1.6, 4e10), (0.4, 0.7, 2e9))
"""Arithmetic and memory rates over those of the first kind of node, and the bandwidth between its nodes."""


@lru_cache(maxsize=64)
def mixed_cluster(*nodes, devices=2, capacity=16e9):
    """So many nodes of each kind."""
    parts = []
    for (arithmetic, memory, bandwidth), count in zip(KINDS, nodes, strict=False):
        part = build_cluster(count, devices=devices, memory_capacity=capacity, bandwidth=bandwidth)
        device = replace(
            part.device,
            peak_flop_rate={name: rate * arithmetic for name, rate in part.device.peak_flop_rate.items()},
            vector_flop_rate=part.device.vector_flop_rate * arithmetic,
            memory_bandwidth=part.device.memory_bandwidth * memory,
        )
        parts.append(replace(part, node=replace(part.node, name=f"kind{arithmetic}", device=device)))
    return replace(parts[0], more=tuple(parts[1:]))


@lru_cache(maxsize=64)
def case(layers, nodes, flags, batch=16, step=1):
    workload = build_workload(build_network(layers, vocab=500), global_batch=batch)
    cluster, stack = mixed_cluster(*nodes), build_stack(**dict(flags))
    pricings = [price(workload, view, stack=stack) for view in uniform_clusters(cluster)]
    space = enumerate_space(workload, pricings[0].cluster)
    return workload, cluster, stack, pricings, space.only(np.arange(0, len(space), step))


@lru_cache(maxsize=64)
def bounded(*key):
    workload, cluster, _, pricings, space = case(*key)
    return estimate_mixed_bounds(space, workload, cluster, pricings)


def way(space, bounds, place):
    """The strategy of an entry of bounds."""
    strategy = space.strategy(int(bounds.candidate[place]))
    return replace(strategy, stages=bounds.cuts[bounds.cut[place]] if strategy.pp > 1 else ())


FLAGS = (
    (),
    (("pipeline_overlap", True), ("contention", 0.3)),
    (("gradient_overlap", True), ("parameter_overlap", True), ("bucket", 1e4), ("contention", 0.3)),
)


@settings(max_examples=12, deadline=None)
@given(
    nodes=st.sampled_from([(1, 1), (3, 1), (2, 1, 1)]),
    flags=st.sampled_from(FLAGS),
    data=st.data(),
)
def test_no_step_on_a_mixed_cluster_is_shorter_than_its_bound(nodes, flags, data):
    """Stages on one kind or across two, replicas on all, of every schedule, cut and way of sharding."""
    key = 4, nodes, flags, 8, 7
    workload, cluster, stack, pricings, space = case(*key)
    bounds = bounded(*key)
    for place in data.draw(st.lists(st.integers(0, len(bounds.cut) - 1), min_size=3, max_size=3)):
        strategy = way(space, bounds, place)
        report = simulate(workload, cluster, strategy, stack=stack).report
        assert bounds.seconds[place] <= report.step_time * (1 + 1e-9), strategy
        step = mixed_step(workload, cluster, strategy, pricings)
        room = [usable_memory(stack, part.device) for part in cluster.parts]
        short = max(sum(needs.values()) - room[part] for part, _, needs in mixed_memory(step))
        assert bounds.short[place] == pytest.approx(short, rel=1e-9)


def test_the_plan_of_a_mixed_cluster_is_the_best_of_all():
    """Every candidate with every cut, all simulated."""
    workload = build_workload(build_network(2, vocab=500), global_batch=2)
    cluster = mixed_cluster(1, 1)
    stack = build_stack(gradient_overlap=True, contention=0.2, schedules=("1f1b",))
    pricings = [price(workload, view, stack=stack) for view in uniform_clusters(cluster)]
    space = enumerate_space(workload, pricings[0].cluster, limits=stack_limits(stack))
    bounds = estimate_mixed_bounds(space, workload, cluster, pricings)
    best = {}
    for place, candidate in enumerate(bounds.candidate.tolist()):
        report = simulate(workload, cluster, way(space, bounds, place), stack=stack).report
        best[candidate] = min(best.get(candidate, np.inf), report.step_time)
    result = plan_mixed(workload, cluster, stack=stack, top=3)
    assert result.certified
    assert result.candidates == len(best) == len(space)
    assert result.simulated < len(bounds.cut) / 8
    assert [plan.report.step_time for plan in result.plans] == pytest.approx(
        sorted(best.values())[:3], rel=1e-12
    )
    assert all(plan.bound <= plan.report.step_time * (1 + 1e-9) for plan in result.plans)


def test_a_step_without_a_cut_takes_the_fastest_of_the_set():
    """As long as the fastest of all cuts that bounds look at; so is its bound that of the set."""
    workload, cluster, stack, pricings, _ = case(6, (1, 1), (("pipeline_overlap", True),))
    strategy = Strategy(dp=2, pp=2, micro_batch=2, zero=1)
    chosen = simulate(workload, cluster, strategy, stack=stack).report
    times = []
    for first in range(1, workload.network.depth):
        cut = (first, workload.network.depth - first)
        times.append(simulate(workload, cluster, replace(strategy, stages=cut), stack=stack).report.step_time)
    assert chosen.step_time == pytest.approx(min(times), rel=1e-9)
    bound = estimate_mixed_bounds(single_space(strategy, workload), workload, cluster, pricings).seconds.min()
    assert 0.9 * chosen.step_time < bound <= chosen.step_time * (1 + 1e-9)
