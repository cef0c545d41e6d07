"""Graphs of registered and written-out machines, routes on them, and what groups find there."""

from types import SimpleNamespace

import pytest

from hardware.cluster import Cluster, Level, NodeType
from hardware.link import Link
from hardware.profiles import load_cluster, load_node
from hardware.topology import Direct, Dragonfly, Rails, Tier, Torus, Tree
from simdl.communication import Group, Operation, collective_time, find_hop, hop_time
from simdl.errors import SimdlError
from simdl.topology.cycles import disjoint_cycles
from simdl.topology.graph import level_graph
from simdl.topology.groups import slowest_use
from simdl.topology.patterns import Pattern
from simdl.topology.routes import route
from simdl.topology.uplinks import usable_share

MIB = 2**20
LINK = Link(name="wire", description="", bandwidth=1e10, latency=1e-6, efficiency=1.0, half_size=1.0)


def level(topology, *, size, ports=1.0, wiring=None):
    return Level(name="level", link=LINK, ports=ports, size=size, topology=topology, wiring=wiring)


def cluster(network, *, nodes, devices=4):
    inner = Level(name="node", link=LINK, ports=4.0, size=devices, topology="switch")
    device = SimpleNamespace(memory_bandwidth=2e12, generation="hopper")
    return Cluster(
        node=NodeType(name="made-up", description="", device=device, levels=(inner, network)), count=nodes
    )


@pytest.mark.parametrize(("name", "degree"), [("dgx-1-v100", 6), ("dgx-1-p100", 4), ("p3dn", 6)])
def test_every_device_of_a_cube_mesh_has_all_its_links(name, degree):
    graph = level_graph(load_node(name).levels[0], 8)
    for device in range(8):
        assert sum(graph.edges[edge].count for edge in graph.leaving[device]) == degree


@pytest.mark.parametrize(
    ("members", "rings"), [((0, 1), 1), ((0, 3), 2), ((0, 5), 0), (range(4), 2), (range(8), 3)]
)
def test_rings_of_a_v100_cube_mesh(members, rings):
    pairs = load_node("dgx-1-v100").levels[0].wiring.pairs
    links = {pair: int(count) for pair, count in pairs.items() if {*pair} <= {*members}}
    found = disjoint_cycles(tuple(members), links)
    assert len(found) == rings
    used = [frozenset(pair) for ring in found for pair in zip(ring, (*ring[1:], ring[0]), strict=True)]
    if len(members) > 2:
        assert all(used.count(frozenset(pair)) <= count for pair, count in links.items())


def test_pairs_with_two_links_are_twice_as_fast_as_with_one():
    inner = load_node("dgx-1-v100").levels[0]
    assert slowest_use(inner, 8, 1, Pattern.RING).bandwidth == 6 * inner.link.bandwidth
    machine = load_cluster("dgx-1-v100")
    one, two = (
        hop_time(1024 * MIB, find_hop(a, b, senders=1, cluster=machine), machine) for a, b in ((0, 1), (2, 3))
    )
    assert one == pytest.approx(2 * two, rel=0.01)


def test_a_pair_without_a_link_passes_through_a_third_device():
    graph = level_graph(load_node("dgx-1-v100").levels[0], 8)
    way = route(graph, 0, 5)
    assert [graph.edges[edge].head for edge in way] == [4, 5] or len(way) == 2
    assert min(graph.edges[edge].bandwidth for edge in way) == 25e9


def test_senders_below_one_switch_share_its_link_to_the_root():
    machine = load_cluster("p40-roce100")
    times = [
        hop_time(1024 * MIB, find_hop(4 - n, 3 + n, senders=n, cluster=machine), machine) for n in (1, 2, 4)
    ]
    assert times[1] == pytest.approx(2 * times[0], rel=0.01)
    assert times[2] == pytest.approx(4 * times[0], rel=0.01)
    inside = hop_time(1024 * MIB, find_hop(0, 1, senders=1, cluster=machine), machine)
    assert inside == pytest.approx(times[0])


def test_bridged_cards_are_faster_than_others():
    machine = load_cluster("a40-node")
    bridged, apart = (
        collective_time(Operation.ALL_REDUCE, 1024 * MIB, Group(size=2, stride=s), machine) for s in (1, 2)
    )
    assert bridged.bus_bandwidth > 1.5 * apart.bus_bandwidth


def test_all_pairs_of_a_tree_cross_its_root():
    tree = level("tree", size=8, wiring=Tree(tiers=(Tier(size=4, ports=1.0),)))
    use = slowest_use(tree, 8, 1, Pattern.PAIRS)
    # Four devices send 4/7 of their bytes over one link.
    assert use.bandwidth == pytest.approx(1e10 / (4 * 4 / 7))
    assert slowest_use(tree, 8, 1, Pattern.RING).bandwidth == 1e10


@pytest.mark.parametrize(
    ("pattern", "stride", "share"),
    [
        (Pattern.RING, 1, 1.0),  # one node of four sends beyond the leaf
        (Pattern.RING, 4, 0.25),
        (Pattern.PAIRS, 1, 15 / 4 / 12),
        (Pattern.DOUBLING, 1, 4 / (1 + 2 + 4 + 4)),
    ],
)
def test_oversubscribed_uplinks_hold_back_what_crosses_them(pattern, stride, share):
    fat = level("fat_tree", size=0, wiring=Tree(tiers=(Tier(size=4, ports=1.0),)))
    members = 16 if stride == 1 else 4
    assert usable_share(fat, pattern, members=members, stride=stride) == pytest.approx(share)


def test_non_blocking_fabrics_take_nothing():
    for wiring in (Tree(tiers=(Tier(size=4, ports=4.0),)), Rails(size=4, oversubscription=1.0)):
        fat = level("fat_tree", size=0, wiring=wiring)
        assert all(usable_share(fat, pattern, members=16, stride=1) == 1.0 for pattern in Pattern)


def test_a_dragonfly_is_tapered_between_groups():
    fly = level("dragonfly", size=0, wiring=Dragonfly(nodes=2, routers=2, taper=0.5))
    pairs = usable_share(fly, Pattern.PAIRS, members=16, stride=1)
    assert pairs == pytest.approx(2 / (4 * 12 / 15))
    assert usable_share(fly, Pattern.RING, members=4, stride=4) == pytest.approx(0.25)


def test_an_oversubscribed_fabric_slows_an_all_to_all():
    free = cluster(level("switch", size=0), nodes=16)
    full = cluster(level("fat_tree", size=0, wiring=Tree(tiers=(Tier(size=4, ports=1.0),))), nodes=16)
    operation, group = Operation.ALL_TO_ALL, Group(size=64)
    slow, fast = (collective_time(operation, 1e9, group, each).time for each in (full, free))
    assert slow > 2 * fast


@pytest.mark.parametrize(
    ("topology", "wiring", "members", "edges"),
    [
        ("torus", Torus(shape=(4, 4, 4)), 64, 3 * 64),
        ("torus", None, 64, 3 * 64),
        ("torus", Torus(shape=(2, 8)), 16, 8 + 16),
        ("mesh", None, 8, 28),
        ("switch", None, 72, 72),
    ],
)
def test_graphs_have_the_links_of_their_topology(topology, wiring, members, edges):
    made = level(topology, size=members, ports=6.0 if members == 64 else 4.0, wiring=wiring)
    assert len(level_graph(made, members).edges) == 2 * edges


def test_fabrics_between_nodes_are_graphs_too():
    rails = level("rail", size=0, ports=4.0, wiring=Rails(size=4, oversubscription=2.0))
    graph = level_graph(rails, 8, "node")
    assert sum(name.startswith("rail") for name in graph.names) == 8
    up = [edge for edge in graph.edges if graph.names[edge.head] == "spine"]
    assert sum(edge.count for edge in up) == 8 * 4.0 / 2.0
    fly = level("dragonfly", size=0, wiring=Dragonfly(nodes=2, routers=2, taper=1.0))
    assert len(route(level_graph(fly, 16, "node"), 0, 15)) <= 5


def test_a_network_in_two_parts_is_refused():
    apart = level("direct", size=4, wiring=Direct(pairs={(0, 1): 1.0, (2, 3): 1.0}))
    with pytest.raises(SimdlError, match="no link leads from device 0 to device 2, device 3"):
        level_graph(apart, 4)
