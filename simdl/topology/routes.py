"""Routes: the way of a message from vertex to vertex.

The shortest path where a link costs the time of a byte, 1 / bandwidth, as link-state routing does by default;
among equals the one with the fewest links, then the one over the lowest vertices. So a message between two
members without a link of their own passes through a third where that is faster than the tree below them.

Source: E. W. Dijkstra, "A note on two problems in connexion with graphs", Numerische Mathematik 1, 1959.
"""

from functools import lru_cache
from heapq import heappop, heappush

from simdl.topology.graph import Graph

Route = tuple[int, ...]
"""Edges of a graph, in order."""


@lru_cache(maxsize=65536)
def route(graph: Graph, start: int, end: int) -> Route:
    """Edges from one vertex to another; none where both are the same."""
    return _routes_from(graph, start)[end]


@lru_cache(maxsize=4096)
def _routes_from(graph: Graph, start: int) -> dict[int, Route]:
    found: dict[int, Route] = {}
    heap: list[tuple[float, int, tuple[int, ...], Route]] = [(0.0, 0, (start,), ())]
    while heap:
        cost, hops, way, edges = heappop(heap)
        if way[-1] in found:
            continue
        found[way[-1]] = edges
        for number in graph.leaving[way[-1]]:
            edge = graph.edges[number]
            if edge.head not in found:
                heappush(heap, (cost + 1 / edge.bandwidth, hops + 1, (*way, edge.head), (*edges, number)))
    return found


def bottleneck(graph: Graph, edges: Route) -> float:
    """[bytes/s] of the slowest link of a route."""
    return min(graph.edges[number].bandwidth for number in edges)
