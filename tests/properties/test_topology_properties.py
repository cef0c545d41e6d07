"""Rules of groups on wired levels: every link that is loaded counts, and none carries more than it can."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hardware.cluster import Cluster, Level, NodeType
from hardware.link import Link
from hardware.profiles import load_device
from hardware.topology import Direct, Tier, Tree
from simdl.communication import ALGORITHMS, Group, Operation, applicable_algorithms, collective_time
from simdl.topology.graph import level_graph
from simdl.topology.groups import group_uses, slowest_use
from simdl.topology.patterns import Pattern

pytestmark = pytest.mark.property

LINK = Link(name="wire", description="", bandwidth=1e10, latency=1e-6, efficiency=1.0, half_size=1.0)
DEVICES = 8


@st.composite
def wired_levels(draw):
    """A ring of pairs with some more, or a tree of switches."""
    if draw(st.booleans()):
        tiers = tuple(
            Tier(size=draw(st.sampled_from([2, 4])), ports=draw(st.floats(0.5, 4.0)))
            for _ in range(draw(st.integers(1, 2)))
        )
        return level("tree", Tree(tiers=tiers))
    pairs = {tuple(sorted((i, (i + 1) % DEVICES))): draw(st.integers(1, 2)) for i in range(DEVICES)}
    more = st.tuples(st.integers(0, DEVICES - 1), st.integers(0, DEVICES - 1)).filter(lambda p: p[0] < p[1])
    pairs |= {pair: 1.0 for pair in draw(st.lists(more, max_size=6)) if pair not in pairs}
    return level("direct", Direct(pairs=pairs))


def level(topology, wiring):
    return Level(name="node", link=LINK, ports=1.0, size=DEVICES, topology=topology, wiring=wiring)


def cluster(inner, nodes=2):
    network = Level(
        name="network",
        link=replace(LINK, name="net", bandwidth=1e9),
        ports=2.0,
        size=0,
        topology="switch",
    )
    device = load_device("h100-sxm-80gb")
    node = NodeType(name="drawn", description="", device=device, levels=(inner, network))
    return Cluster(node=node, count=nodes)


GROUPS = st.sampled_from([(8, 1), (4, 1), (2, 1), (2, 4), (4, 2), (2, 2)])


@given(wired_levels(), GROUPS, st.sampled_from(list(Pattern)))
@settings(deadline=None)
def test_no_link_carries_more_than_it_can(inner, group, pattern):
    """In a pattern of one round, all groups at the pace of the slowest; else each round at its own."""
    graph = level_graph(inner, DEVICES)
    uses = group_uses(inner, *group, pattern)
    pace = min(use.bandwidth for use in uses)
    for edge, each in enumerate(graph.edges):
        carried = sum(use.loads.get(edge, 0.0) for use in uses)
        assert carried * pace <= each.bandwidth * (1 + 1e-9)


@given(wired_levels(), GROUPS, st.data())
@settings(deadline=None)
def test_a_faster_link_never_slows_and_a_slower_one_that_binds_does(inner, group, data):
    use = slowest_use(inner, *group, Pattern.PAIRS)
    graph = level_graph(inner, DEVICES)
    totals = {
        edge: sum(each.loads.get(edge, 0.0) for each in group_uses(inner, *group, Pattern.PAIRS))
        for edge in use.loads
    }
    busiest = max(totals, key=lambda edge: totals[edge] / graph.edges[edge].bandwidth)
    assume(isinstance(inner.wiring, Tree))
    wiring = inner.wiring
    number = data.draw(st.integers(0, len(wiring.tiers) - 1))
    slow = replace(wiring.tiers[number], ports=wiring.tiers[number].ports / 2)
    tiers = (*wiring.tiers[:number], slow, *wiring.tiers[number + 1 :])
    after = slowest_use(level("tree", Tree(tiers=tiers)), *group, Pattern.PAIRS)
    assert after.bandwidth <= use.bandwidth * (1 + 1e-9)
    names = graph.names[graph.edges[busiest].tail], graph.names[graph.edges[busiest].head]
    if all(name.startswith(("switch", "root")) for name in names) and len(wiring.tiers) == 1:
        assert after.bandwidth < use.bandwidth


@given(wired_levels(), st.sampled_from([*ALGORITHMS[Operation.ALL_REDUCE]]))
@settings(deadline=None)
def test_no_all_reduce_beats_the_lower_bound_of_its_nodes(inner, name):
    """Of two nodes each sends n through its ports, whatever the algorithm; none runs at the speed inside."""
    machine, n = cluster(inner), 1e9
    assume(name in applicable_algorithms(Operation.ALL_REDUCE, Group(size=16), machine))
    found = collective_time(Operation.ALL_REDUCE, n, Group(size=16), machine, algorithm=name)
    assert found.time >= n / (2.0 * 1e9)
