"""Collectives step by step against their closed forms on uniform networks, and what both obey on others."""

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.cluster import Level
from hardware.link import Link
from hardware.profiles import load_cluster
from simdl.communication import (
    all_to_all,
    broadcast,
    butterfly,
    halo,
    hierarchical,
    in_switch,
    parameter_server,
    rabenseifner,
    recursive,
    ring,
    sparse,
    tree,
)
from simdl.communication.stepwise import butterflies, exchanges, rings, trees
from simdl.communication.stepwise.program import simulate_schedule
from simdl.errors import CollectiveError
from simdl.topology.cluster_graph import cluster_graph
from simdl.topology.graph import level_graph

pytestmark = pytest.mark.theory

N, ALPHA, BETA, GAMMA = 3.6e6, 2e-6, 1e-9, 2e-10
COSTS = {"n": N, "alpha": ALPHA, "beta": BETA}
RANKS = (2, 3, 4, 5, 8, 12, 16)
POWERS = (2, 4, 8, 16)


def uniform(ranks, topology="switch", ports=1.0, **link):
    wire = {"bandwidth": 1 / BETA, "latency": ALPHA, "efficiency": 1.0, "half_size": 1.0} | link
    level = Level(
        name="uniform",
        link=Link(name="wire", description="", **wire),
        ports=ports,
        size=ranks,
        topology=topology,
    )
    return level_graph(level, ranks)


def agree(schedule, seconds, graph=None):
    found = simulate_schedule(schedule, graph or uniform(schedule.ranks), gamma=GAMMA)
    assert found == pytest.approx(seconds, rel=1e-9)


ALL_REDUCES = {
    "ring": (rings.all_reduce, ring.estimate_all_reduce, RANKS),
    "tree": (trees.all_reduce, tree.estimate_all_reduce, RANKS),
    "butterfly": (butterflies.butterfly_all_reduce, butterfly.estimate_all_reduce, RANKS),
    "rabenseifner": (butterflies.rabenseifner_all_reduce, rabenseifner.estimate_all_reduce, RANKS),
    "parameter server": (
        exchanges.parameter_server_all_reduce,
        parameter_server.estimate_all_reduce,
        RANKS,
    ),
    "reduce-scatter, ring": (rings.reduce_scatter, ring.estimate_reduce_scatter, RANKS),
    "reduce-scatter, recursive": (
        butterflies.recursive_reduce_scatter,
        recursive.estimate_reduce_scatter,
        POWERS,
    ),
}
OTHERS = {
    "all-gather, ring": (rings.all_gather, ring.estimate_all_gather, RANKS),
    "all-gather, recursive": (butterflies.recursive_all_gather, recursive.estimate_all_gather, POWERS),
    "broadcast, tree": (trees.broadcast, broadcast.estimate_tree, RANKS),
    "broadcast, scatter and all-gather": (
        trees.scatter_all_gather_broadcast,
        broadcast.estimate_scatter_all_gather,
        RANKS,
    ),
    "all-to-all": (exchanges.all_to_all, all_to_all.estimate_all_to_all, RANKS),
}


@pytest.mark.parametrize("name", [*ALL_REDUCES, *OTHERS])
def test_steps_take_what_the_formula_says(name):
    schedule, formula, ranks = (ALL_REDUCES | OTHERS)[name]
    costs = COSTS | ({"gamma": GAMMA} if name in ALL_REDUCES else {})
    for p in ranks:
        agree(schedule(p, N), formula(p, **costs))


@pytest.mark.parametrize("p", RANKS)
@pytest.mark.parametrize("segments", [1, 3, 16])
def test_pipelined_algorithms_in_segments(p, segments):
    pipelined = COSTS | {"segments": segments}
    agree(trees.chain_broadcast(p, N, segments), broadcast.estimate_chain(p, **pipelined))
    agree(
        trees.reduce_broadcast_all_reduce(p, N, segments),
        broadcast.estimate_reduce_broadcast(p, **pipelined, gamma=GAMMA),
    )
    agree(
        trees.double_tree_all_reduce(p, N, segments),
        tree.estimate_double_tree_all_reduce(p, **pipelined, gamma=GAMMA),
    )
    agree(
        exchanges.in_switch_all_reduce(p, N, segments),
        in_switch.estimate_segmented_all_reduce(p, **pipelined),
    )


@pytest.mark.parametrize("p", [2, 3, 8, 31])
def test_short_segments_near_what_libraries_are_priced_at(p):
    free = {"n": N, "alpha": 0.0, "beta": BETA, "segments": 10**6}
    double = tree.estimate_double_tree_all_reduce(p, **free, gamma=0.0)
    assert double == pytest.approx(tree.double_tree_load(p) * N * BETA, rel=1e-4)
    assert broadcast.estimate_chain(p, **free) == pytest.approx(N * BETA, rel=1e-4)
    switch = in_switch.estimate_segmented_all_reduce(p, **free)
    assert switch == pytest.approx(in_switch.estimate_all_reduce(p, n=N, alpha=0.0, beta=BETA), rel=1e-4)


@pytest.mark.parametrize("p", [3, 4, 7, 16])
def test_two_rings_against_each_other(p):
    seconds = ring.estimate_bidirectional_all_reduce(p, **COSTS, gamma=GAMMA)
    agree(rings.bidirectional_all_reduce(p, N), seconds, uniform(p, "torus", ports=2.0))
    shared = simulate_schedule(rings.bidirectional_all_reduce(p, N), uniform(p), gamma=0.0)
    alone = simulate_schedule(rings.all_reduce(p, N), uniform(p), gamma=0.0)
    assert shared == pytest.approx(alone, rel=0.01)  # one port carries both


@pytest.mark.parametrize("members", [(4, 2), (2, 4), (3, 5), (2, 2, 3)])
def test_rings_within_rings(members):
    levels = len(members)
    seconds = hierarchical.estimate_all_reduce(
        members, n=N, alpha=[ALPHA] * levels, beta=[BETA] * levels, gamma=GAMMA
    )
    agree(rings.hierarchical_all_reduce(members, N), seconds)


def test_rings_along_the_axes_of_a_grid():
    seconds = hierarchical.estimate_all_reduce((4, 3), n=N, alpha=[ALPHA] * 2, beta=[BETA] * 2, gamma=GAMMA)
    grid = uniform(12, "torus", ports=4.0)
    agree(rings.two_dimensional_all_reduce(3, 4, N), seconds, grid)


def test_segmented_all_reduce():
    seconds = ring.estimate_segmented_all_reduce(4, 3, **COSTS, gamma=GAMMA)
    agree(rings.segmented_all_reduce(4, 3, N), seconds)


@pytest.mark.parametrize("shape", [(5,), (2,), (1, 4), (3, 4), (2, 3, 4)])
def test_halo_exchange(shape):
    costs = {"h": N, "alpha": ALPHA, "beta": BETA}
    agree(exchanges.halo_exchange(shape, N), halo.estimate_halo_exchange(shape, **costs))
    if len(shape) == 2 and min(shape) > 2:
        agree(
            exchanges.halo_exchange(shape, N, together=True),
            halo.estimate_halo_exchange(shape, **costs, together=True),
            uniform(prod(shape), "torus", ports=4.0),
        )


@pytest.mark.parametrize("nonzeros", [10, 3000, 90_000])
@pytest.mark.parametrize("p", POWERS)
def test_sparse_all_reduce(p, nonzeros):
    stream = sparse.SparseStream(dimension=100_000, nonzeros=nonzeros)
    costs = {"alpha": ALPHA, "beta": BETA, "gamma": GAMMA}
    agree(
        butterflies.sparse_all_reduce(sparse.round_sizes(p, stream)),
        sparse.estimate_recursive_doubling(p, stream, **costs),
    )
    agree(
        exchanges.sparse_split_all_reduce(p, stream),
        sparse.estimate_split_all_gather(p, stream, **costs),
    )


def test_sparse_streams_turn_dense_as_they_merge():
    stream = sparse.SparseStream(dimension=1e6, nonzeros=1e5)
    assert stream.merged(1) == pytest.approx(1e5)
    assert stream.merged(2) == pytest.approx(1.9e5)
    assert [stream.is_dense(ranks) for ranks in (1, 4, 8, 64)] == [False, False, True, True]
    assert stream.nbytes(64) == 4e6
    with pytest.raises(CollectiveError, match="found 20 non-zeros of 10 values"):
        sparse.SparseStream(dimension=10, nonzeros=20)


def test_traffic_at_a_server_is_twice_the_buffers_of_its_workers():
    dedicated = exchanges.parameter_server_all_reduce(8, N, dedicated=True)
    assert dedicated.moved_by(0) == 2 * 8 * N
    agree(dedicated, parameter_server.estimate_dedicated_all_reduce(8, **COSTS, gamma=GAMMA))
    sharded = exchanges.sharded_server_all_reduce(8, N)
    agree(sharded, parameter_server.estimate_all_reduce(8, **COSTS, gamma=GAMMA, servers=8))


def test_no_all_reduce_sends_less_than_the_lower_bound():
    for name, (schedule, _, ranks) in ALL_REDUCES.items():
        least = (1 if "scatter" in name else 2) * N * BETA
        for p in ranks:
            seconds = simulate_schedule(schedule(p, N), uniform(p))
            assert seconds >= least * (p - 1) / p * (1 - 1e-12)


@given(st.sampled_from([*ALL_REDUCES]), st.floats(1, 1e9), st.floats(1, 100))
@settings(deadline=None, max_examples=25)
def test_time_never_falls_as_the_message_grows(name, nbytes, factor):
    schedule, _, _ = ALL_REDUCES[name]
    graph = cluster_graph(load_cluster("dgx-1-v100"))
    small, large = (simulate_schedule(schedule(8, n), graph) for n in (nbytes, nbytes * factor))
    assert large >= small * (1 - 1e-12)


@pytest.mark.parametrize("name", ["dgx-1-v100:2", "dgx-h100:2", "p40-roce100:2"])
def test_a_group_across_nodes_never_runs_at_the_speed_inside(name):
    machine = load_cluster(name)
    outside = machine.levels[1]
    devices = machine.devices
    seconds = simulate_schedule(rings.all_reduce(devices, 1e9), cluster_graph(machine))
    # One ring leaves and enters a node once, over one port at most.
    port = outside.link.bandwidth * outside.link.efficiency * max(1.0, outside.ports / machine.node.devices)
    assert 2 * (devices - 1) / devices * 1e9 / seconds <= port


@pytest.mark.parametrize("doubled", range(8))
def test_a_slower_link_that_is_loaded_changes_the_answer(doubled):
    """Every link of a fully loaded ring counts: halving any one of them doubles its time."""
    graph = uniform(8, "torus", ports=2.0)
    schedule = rings.all_reduce(8, N)
    before = simulate_schedule(schedule, graph)
    edges = list(graph.edges)
    ahead = next(e for e, edge in enumerate(edges) if (edge.tail, edge.head) == (doubled, (doubled + 1) % 8))
    slow = type(edges[0])(edges[ahead].tail, edges[ahead].head, edges[ahead].link, edges[ahead].count / 2)
    edges[ahead] = slow
    changed = type(graph)(members=8, names=graph.names, edges=tuple(edges), leaving=graph.leaving)
    after = simulate_schedule(schedule, changed)
    assert after > 1.5 * before


def test_more_ranks_than_the_topology_has():
    with pytest.raises(CollectiveError, match="collective of 9 ranks: expected at most the 8"):
        simulate_schedule(rings.all_reduce(9, N), uniform(8))
