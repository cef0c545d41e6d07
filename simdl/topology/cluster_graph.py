"""Cluster graph: the devices of a whole cluster and every link between them.

Devices reach the network through the ports of their node, which one vertex, the gate, stands for: a device
uses one port, or its part of them where there are more ports than devices.
"""

from functools import lru_cache

from hardware.cluster import Cluster, Level
from simdl.rank_names import name_ranks
from simdl.topology.graph import Graph, GraphBuilder, level_graph


@lru_cache(maxsize=64)
def cluster_graph(cluster: Cluster) -> Graph:
    """The graph of a cluster; its first vertices are the ranks."""
    build, reach = GraphBuilder(cluster.devices, "rank"), 1
    for level in cluster.levels:
        members = min(level.size or cluster.devices, cluster.devices // reach)
        graph = level_graph(level, members, "node" if reach > 1 else "device")
        for first in range(0, cluster.devices, members * reach):
            if members > 1:
                _add(
                    build, graph, _members(build, level, range(first, first + members * reach, reach), reach)
                )
        reach *= members
    return build.graph(alike=cluster.levels[0].topology == "torus" and cluster.count == 1)


def _members(build: GraphBuilder, level: Level, firsts: range, reach: int) -> list[int]:
    """The vertices that a domain joins: ranks, or the gates of their nodes; ``firsts`` ranks of each."""
    if reach == 1:
        return list(firsts)
    gates = []
    for low in firsts:
        gate = build.vertex(f"ports of {name_ranks(low, reach)}")
        gates.append(gate)
        for rank in range(low, low + reach):
            build.join(rank, gate, level.link, max(min(level.ports, 1.0), level.ports / reach))
    return gates


def _add(build: GraphBuilder, graph: Graph, places: list[int]) -> None:
    """Copy a graph whose members are these vertices."""
    places = [*places, *(build.vertex(name) for name in graph.names[graph.members :])]
    for edge in graph.edges[::2]:
        build.join(places[edge.tail], places[edge.head], edge.link, edge.count)
