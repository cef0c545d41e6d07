"""Bounds against the simulator: never above it, and equal where the schedule allows a closed form."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from planner.bounds.estimate import estimate_bound, estimate_bounds
from planner.space.candidates import enumerate_space, single_space
from simdl.memory.needs import usable_memory
from simdl.pipelines.outline import outline
from simdl.step.costs.cycles import stage_seconds
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.cuts.cut_set import even_cut
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Recompute, Strategy, problems

OVERLAPPED = {
    "gradient_overlap": True,
    "parameter_overlap": True,
    "pipeline_overlap": True,
    "bucket": 1e6,
    "contention": 0.1,
}


CLOSE = {
    "1f1b": (0.99, 0.95),
    "gpipe": (0.99, 0.97),
    "interleaved-1f1b": (0.98, 0.93),
    "breadth-first": (0.98, 0.93),
    "zb-h1": (0.98, 0.93),
    "zb-h2": (0.98, 0.93),
    "zb-v": (0.98, 0.93),
    "dualpipe": (0.97, 0.93),
}
"""Mean and least share of the simulated step that the bound of a schedule reaches."""


def bounded(workload, cluster, stack):
    space = enumerate_space(workload, cluster)
    return space, estimate_bounds(space, workload, price(workload, cluster, stack=stack))


def every(space, count):
    return range(0, len(space), max(1, len(space) // count))


@pytest.mark.parametrize("changes", [{}, OVERLAPPED], ids=["sequential", "overlapped"])
def test_bound_is_at_most_the_simulated_step_and_close(changes):
    workload, cluster = build_workload(build_network(8), global_batch=32), build_cluster(2)
    stack = build_stack(**changes)
    space, bounds = bounded(workload, cluster, stack)
    ratios = {}
    for index in every(space, 120):
        strategy = space.strategy(index)
        simulated = simulate(workload, cluster, strategy, stack=stack).report.step_time
        assert bounds.step_time[index] <= simulated * (1 + 1e-9), strategy
        ratios.setdefault(strategy.schedule, []).append(bounds.step_time[index] / simulated)
    assert {*ratios} == {*CLOSE}
    for schedule, found in ratios.items():
        assert np.mean(found) > CLOSE[schedule][0], schedule
        assert min(found) > CLOSE[schedule][1], schedule


@pytest.mark.parametrize("schedule", ["1f1b", "gpipe"])
def test_bound_of_equal_stages_is_exact(schedule):
    workload = build_workload(build_network(8, vocab=8), global_batch=32)
    cluster = build_cluster(2)
    stack = build_stack(pipeline_overlap=True)
    pricing = price(workload, cluster, stack=stack)
    strategy = Strategy(dp=2, tp=1, pp=4, micro_batch=2, schedule=schedule)
    simulated = simulate(workload, cluster, strategy, stack=stack).report.step_time
    assert estimate_bound(strategy, workload, pricing) == pytest.approx(simulated, rel=1e-3)


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize(("schedule", "pp"), [("1f1b", 8), ("gpipe", 8), ("gpipe", 4)])
def test_bound_of_a_pipeline_over_two_nodes_is_close_and_counts_the_hop_between_them(schedule, pp, overlap):
    workload = build_workload(build_network(16, vocab=8), global_batch=32)
    stack = build_stack(pipeline_overlap=overlap)
    strategy = Strategy(dp=8 // pp, pp=pp, micro_batch=2, schedule=schedule)
    bounds = []
    for bandwidth in (1e10, 7e9):
        cluster = build_cluster(2, bandwidth=bandwidth)
        simulated = simulate(workload, cluster, strategy, stack=stack).report.step_time
        bounds.append(estimate_bound(strategy, workload, price(workload, cluster, stack=stack)))
        assert bounds[-1] == pytest.approx(simulated, rel=1e-3 if overlap or schedule != "gpipe" else 2e-2)
        assert bounds[-1] <= simulated * (1 + 1e-9)
    assert bounds[0] < bounds[1]


@pytest.mark.parametrize(
    ("changes", "zero", "least"),
    [
        ({}, 0, 1 - 1e-9),
        ({}, 1, 1 - 1e-9),
        ({}, 2, 0.99),
        ({}, 3, 0.96),
        *((OVERLAPPED, zero, least) for zero, least in enumerate((0.98, 0.98, 0.98, 0.96))),
    ],
)
def test_bound_without_a_pipeline_is_exact_where_nothing_runs_beside(changes, zero, least):
    workload, cluster, stack = build_workload(), build_cluster(2), build_stack(**changes)
    strategy = Strategy(dp=4, tp=2, micro_batch=2, zero=zero, recompute=Recompute.FULL)
    simulated = simulate(workload, cluster, strategy, stack=stack).report.step_time
    bound = estimate_bound(strategy, workload, price(workload, cluster, stack=stack))
    assert least <= bound / simulated <= 1 + 1e-9


@pytest.mark.parametrize("bandwidth", [1e9, 1e10, 1e12])
@pytest.mark.parametrize("shard_degree", [0, 2])
@pytest.mark.parametrize("batch", [4, 8, 12, 64])
def test_bound_of_gradients_scattered_in_every_microbatch_is_close(bandwidth, shard_degree, batch):
    workload = build_workload(build_network(8), global_batch=batch)
    cluster, stack = build_cluster(4, devices=1, bandwidth=bandwidth), build_stack(**OVERLAPPED)
    strategy = Strategy(dp=4, zero=2, shard_degree=shard_degree)
    simulated = simulate(workload, cluster, strategy, stack=stack).report.step_time
    bound = estimate_bound(strategy, workload, price(workload, cluster, stack=stack))
    assert 0.97 <= bound / simulated <= 1 + 1e-9


@pytest.mark.parametrize(("bandwidth", "least"), [(1e9, 0.84), (3e9, 0.94), (1e11, 0.98)])
@pytest.mark.parametrize("schedule", ["1f1b", "interleaved-1f1b", "gpipe", "breadth-first"])
@pytest.mark.parametrize("zero", [0, 1])
def test_bound_knows_what_many_messages_over_slow_links_hold_up(zero, schedule, bandwidth, least):
    """Gathers the first pass of every stage in turn, reductions the end from the last gradient on."""
    workload = build_workload(build_network(16, vocab=50), global_batch=64)
    cluster, stack = build_cluster(8, bandwidth=bandwidth), build_stack(**OVERLAPPED | {"bucket": 1.0})
    virtual = 2 if schedule in {"interleaved-1f1b", "breadth-first"} else 1
    strategy = Strategy(dp=8, pp=4, zero=zero, schedule=schedule, virtual_stages=virtual)
    simulated = simulate(workload, cluster, strategy, stack=stack).report.step_time
    bound = estimate_bound(strategy, workload, price(workload, cluster, stack=stack))
    assert least <= bound / simulated <= 1 + 1e-9


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize(
    ("schedule", "virtual_stages"),
    [("gpipe", 1), ("1f1b", 1), ("zb-h1", 1), ("breadth-first", 4), ("interleaved-1f1b", 4)],
)
def test_bound_knows_that_messages_of_all_stages_of_a_rank_follow_each_other(
    schedule, virtual_stages, overlap
):
    """Over links so slow that nothing else counts."""
    workload = build_workload(build_network(8, vocab=50), global_batch=32)
    cluster, stack = build_cluster(1, devices=2, bandwidth=1e6), build_stack(pipeline_overlap=overlap)
    strategy = Strategy(pp=2, schedule=schedule, virtual_stages=virtual_stages)
    simulated = simulate(workload, cluster, strategy, stack=stack).report.step_time
    bound = estimate_bound(strategy, workload, price(workload, cluster, stack=stack))
    assert 0.97 <= bound / simulated <= 1 + 1e-9


@pytest.mark.parametrize("pp", [1, 2])
def test_bound_knows_that_updates_wait_for_the_gradients_of_every_microbatch(pp):
    """PipeDream on slow links takes what is sent between its updates, microbatch by microbatch."""
    workload = build_workload(build_network(8, vocab=50), global_batch=8 // pp * 12)
    cluster, stack = build_cluster(8, devices=1, bandwidth=1e8), build_stack(**OVERLAPPED)
    strategy = Strategy(dp=8 // pp, pp=pp, zero=1, schedule="pipedream")
    simulated = simulate(workload, cluster, strategy, stack=stack).report.step_time
    bound = estimate_bound(strategy, workload, price(workload, cluster, stack=stack))
    assert 0.8 <= bound / simulated <= 1 + 1e-9


@pytest.mark.parametrize("copies", [0, 20])
def test_memory_is_that_of_the_simulator(copies):
    workload, cluster, stack = (
        build_workload(build_network(8), global_batch=32),
        build_cluster(2),
        build_stack(update_copies=copies),
    )
    space, bounds = bounded(workload, cluster, stack)
    for index in every(space, 60):
        report = simulate(workload, cluster, space.strategy(index), stack=stack).report
        assert bounds.memory[index] == pytest.approx(report.peak_memory, rel=1e-12)


def test_bound_of_a_cut_of_ones_own():
    workload, cluster, stack = (
        build_workload(build_network(6), global_batch=8),
        build_cluster(1),
        build_stack(),
    )
    strategy = Strategy(dp=2, pp=2, stages=(2, 6))
    simulated = simulate(workload, cluster, strategy, stack=stack).report.step_time
    bound = estimate_bound(strategy, workload, price(workload, cluster, stack=stack))
    default = estimate_bound(Strategy(dp=2, pp=2), workload, price(workload, cluster, stack=stack))
    assert default < bound <= simulated * (1 + 1e-9)


@pytest.mark.parametrize("schedule", [*CLOSE])
@pytest.mark.parametrize("microbatches", [1, 4, 12])
def test_coarse_bound_of_an_uneven_network_is_below_that_of_every_cut(schedule, microbatches):
    network, ranks = build_network(7), 2
    virtual_stages = 2 if schedule in {"interleaved-1f1b", "breadth-first", "zb-v"} else 1
    workload, cluster = build_workload(network, global_batch=4 * microbatches), build_cluster()
    strategy = Strategy(dp=4, pp=ranks, schedule=schedule, virtual_stages=virtual_stages)
    if any(problems(strategy, workload, cluster)):
        return
    pricing = price(workload, cluster, stack=build_stack())
    stages = ranks * virtual_stages
    assert not even_cut(workload.network, stages)
    below = estimate_bounds(single_space(strategy, workload), workload, pricing).work[0]
    places = combinations(range(1, network.depth), stages - 1)
    cuts = [tuple(np.diff([0, *each, network.depth]).tolist()) for each in places]
    least = min(work(step_cost(workload, replace(strategy, stages=cut), pricing)) for cut in cuts)
    close = 0.5 if schedule == "dualpipe" else 0.75  # whose passes hide what the host takes longer
    assert close * least < below <= least * (1 + 1e-12)


def work(step):
    """[s] of the way of a microbatch to a stage and back, and of what its rank has from there on."""
    found = outline(step.strategy.schedule, step.strategy.pp, step.strategy.virtual_stages)
    forward, back, rest = map(np.array, stage_seconds(step, found))
    place, each, sends = np.array(found.place), step.microbatches / found.pipeline.copies, forward + back
    busy = each * np.bincount(place, sends + rest).max()
    if not found.pipeline.synchronised or found.pipeline.copies > 1:
        return busy
    ways = (sends[:s].sum() + each * sends[s:][place[s:] == place[s]].sum() for s in range(len(place)))
    return max(busy, *ways)


def test_what_does_not_fit_has_a_bound_too():
    """On devices with room for half of the candidates."""
    workload, stack = build_workload(build_network(8), global_batch=32), build_stack()
    cluster = build_cluster(2)
    _, bounds = bounded(workload, cluster, stack)
    capacity = cluster.device.memory_capacity / usable_memory(stack, cluster.device)
    cluster = build_cluster(2, memory_capacity=capacity * float(np.median(bounds.memory)))
    space, bounds = bounded(workload, cluster, stack)
    short = np.flatnonzero(bounds.memory > usable_memory(stack, cluster.device))
    assert 0 < len(short) < len(space)
    for index in short[:: len(short) // 10].tolist():
        report = simulate(workload, cluster, space.strategy(index), stack=stack).report
        assert not report.feasible
        assert 0 < bounds.step_time[index] <= report.step_time * (1 + 1e-9)


def test_empty_space_has_empty_bounds(tiny_network):
    workload = build_workload(tiny_network, global_batch=1)
    _, bounds = bounded(workload, build_cluster(8, devices=7), build_stack())
    assert len(bounds.step_time) == len(bounds.memory) == 0


@pytest.mark.property
@pytest.mark.parametrize("schedule", ["1f1b", "gpipe", "breadth-first"])
def test_the_last_gradient_goes_back_beside_the_last_reduction_of_a_long_stage(schedule):
    """A short first stage has little left to do when the message comes, which no bound may count twice."""
    network, counts = build_network(16, hidden=1024, vocab=8), (1, 2)
    stack = build_stack(**OVERLAPPED | {"pipeline_overlap": False, "contention": 0.0, "bucket": 1e5})
    for bandwidth, count in product((1e9, 2e9, 4e9, 8e9), counts):
        workload = build_workload(network, global_batch=4 * count)
        cluster = build_cluster(2, devices=2, bandwidth=bandwidth)
        strategy = Strategy(
            dp=2, pp=2, micro_batch=2, schedule=schedule, zero=1, stages=(1, network.depth - 1)
        )
        simulated = simulate(workload, cluster, strategy, stack=stack).report.step_time
        bound = estimate_bound(strategy, workload, price(workload, cluster, stack=stack))
        assert bound <= simulated * (1 + 1e-9), (bandwidth, count)
