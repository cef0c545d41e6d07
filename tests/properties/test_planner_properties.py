"""Rules of the planner on generated cases."""

from functools import lru_cache
from itertools import combinations, pairwise

import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import FLAGS

from planner.bounds.estimate import estimate_bounds
from planner.cuts import stage_partition
from planner.cuts.repeated_partition import solve_repeated_partition
from planner.cuts.stage_partition import solve_stage_partition
from planner.cuts.stage_program import Row
from planner.errors import InfeasibleError
from planner.space.candidates import enumerate_space
from simdl.step.simulate import price, simulate

pytestmark = pytest.mark.property


@lru_cache(maxsize=64)
def question(network, place, bandwidth, flags):
    """Of a network of so many layers, words and key-value heads on so many nodes of so many devices."""
    layers, vocab, kv_heads = network
    nodes, devices = place
    workload = build_workload(build_network(layers, vocab=vocab, kv_heads=kv_heads), global_batch=16)
    cluster = build_cluster(nodes, devices=devices, bandwidth=bandwidth)
    stack = build_stack(**dict(flags))
    pricing = price(workload, cluster, stack=stack)
    space = enumerate_space(workload, cluster)
    return workload, cluster, stack, space, estimate_bounds(space, workload, pricing)


@settings(max_examples=50, deadline=None)
@given(
    network=st.tuples(st.sampled_from([4, 6]), st.sampled_from([50, 8000]), st.sampled_from([8, 2, 1])),
    place=st.sampled_from([(2, 4), (1, 4), (2, 3), (4, 3)]),  # stages on nodes of three straddle them
    bandwidth=st.sampled_from([1e7, 1e9, 1e11]),
    flags=FLAGS,
    data=st.data(),
)
def test_no_simulated_step_is_shorter_than_its_bound(network, place, bandwidth, flags, data):
    workload, cluster, stack, space, bounds = question(network, place, bandwidth, tuple(flags.items()))
    for index in data.draw(st.lists(st.integers(0, len(space) - 1), min_size=3, max_size=3)):
        report = simulate(workload, cluster, space.strategy(index), stack=stack).report
        assert bounds.step_time[index] <= report.step_time * (1 + 1e-9)
        assert bounds.memory[index] <= report.peak_memory * (1 + 1e-9)


@st.composite
def partitions(draw, stages=(1, 2, 3)):
    stages = draw(st.sampled_from(stages))
    rows = [
        Row(
            name=str(index),
            count=draw(st.integers(1, 3)),
            time=draw(st.integers(1, 8)) / 8,
            nbytes=(draw(st.integers(0, 4)) * 2.0**28,) * stages,
        )
        for index in range(draw(st.integers(1, 4)))
    ]
    room = [draw(st.integers(1, 30)) * 2.0**28 for _ in range(stages)]
    return rows, room


def brute_force(rows, room, virtual_stages=1):
    """The least slowest stage over all cuts that fit, or None."""
    chain = [row for row in rows for _ in range(row.count)]
    ranks, best = len(room), None
    for ends in combinations(range(1, len(chain)), ranks * virtual_stages - 1):
        edges = [0, *ends, len(chain)]
        parts = [chain[a:b] for a, b in pairwise(edges)]
        needs = [sum(g.nbytes[place] for g in part) for place, part in enumerate(parts)]
        needs = [sum(needs[rank::ranks]) for rank in range(ranks)]
        if all(need <= limit for need, limit in zip(needs, room, strict=True)):
            slowest = max(sum(row.time for row in part) for part in parts)
            best = slowest if best is None else min(best, slowest)
    return best


@settings(max_examples=40, deadline=None)
@given(partitions())
def test_stage_partition_equals_brute_force_without_a_solver(case):
    rows, room = case
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(stage_partition, "solve_program")
        _equals_brute_force(rows, room)


def _equals_brute_force(rows, room):
    chain = [row for row in rows for _ in range(row.count)]
    expected = brute_force(rows, room)
    if expected is None:
        with pytest.raises(InfeasibleError):
            solve_stage_partition(rows, room)
        return
    cut = solve_stage_partition(rows, room)
    assert sum(cut) == len(chain)
    assert min(cut) >= 1
    starts = [sum(cut[:index]) for index in range(len(cut))]
    loads = [sum(g.time for g in chain[a : a + n]) for a, n in zip(starts, cut, strict=True)]
    assert max(loads) == pytest.approx(expected, rel=1e-5)


@st.composite
def repeated(draw):
    """An embedding, equal blocks and a head, whose needs differ by stage, on two ranks of two stages each."""
    amount = st.integers(0, 5)
    counts = (draw(st.integers(0, 1)), draw(st.integers(2, 8)), draw(st.integers(0, 1)))
    rows = [
        Row(
            name=str(place),
            count=count,
            time=float(draw(st.integers(1, 4))),
            nbytes=tuple(float(draw(amount)) * 2.0**30 for _ in range(4)),
        )
        for place, count in enumerate(counts)
        if count
    ]
    return rows, [draw(st.integers(0, 25)) * 2.0**30 for _ in range(2)]


@settings(max_examples=60, deadline=None)
@given(repeated())
def test_equal_blocks_that_share_memory_of_ranks_equal_brute_force_without_a_solver(case):
    rows, room = case
    expected = brute_force(rows, room, virtual_stages=2)
    cut = solve_repeated_partition(rows, room, 4)
    if expected is None:
        assert cut is None
        return
    chain = [row for row in rows for _ in range(row.count)]
    edges = [sum(cut[:index]) for index in range(5)]
    stages = [chain[a:b] for a, b in pairwise(edges)]
    assert edges[-1] == len(chain)
    assert all(stages)
    assert max(sum(row.time for row in stage) for stage in stages) == pytest.approx(expected)
    needs = [sum(row.nbytes[place] for row in stage) for place, stage in enumerate(stages)]
    assert all(sum(needs[rank::2]) <= limit * (1 + 1e-9) for rank, limit in enumerate(room))


@settings(max_examples=40, deadline=None)
@given(partitions(stages=(2, 4)))
def test_shared_memory_of_a_rank_equals_brute_force(case):
    """Two virtual stages per rank, whose blocks share its room."""
    rows, room = case
    ranks = len(room) // 2
    shared = [sum(room[rank::ranks]) for rank in range(ranks)]
    expected = brute_force(rows, shared, virtual_stages=2)
    if expected is None:
        with pytest.raises(InfeasibleError):
            solve_stage_partition(rows, shared, virtual_stages=2)
        return
    cut = solve_stage_partition(rows, shared, virtual_stages=2)
    chain = [row for row in rows for _ in range(row.count)]
    edges = [sum(cut[:index]) for index in range(len(cut) + 1)]
    loads = [sum(g.time for g in chain[a:b]) for a, b in pairwise(edges)]
    assert max(loads) == pytest.approx(expected, rel=1e-5)
