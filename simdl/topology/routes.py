"""Routes: the way of a message from vertex to vertex.

The shortest path where a link costs the time of a byte, 1 / bandwidth, as link-state routing does by default;
among equals the one with the fewest links, then the one over the lowest vertices. On a torus vertices are
counted from where a message starts, upwards from even places and downwards from odd ones, so that no link
is preferred. So a message between two
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
    heap: list[tuple[float, int, tuple[int, ...], int, Route]] = [(0.0, 0, (), start, ())]
    while heap:
        cost, hops, way, here, edges = heappop(heap)
        if here in found:
            continue
        found[here] = edges
        for number in graph.leaving[here]:
            edge = graph.edges[number]
            if edge.head not in found:
                rank = _rank(graph, start, edge.head)
                step = (cost + 1 / edge.bandwidth, hops + 1, (*way, rank), edge.head, (*edges, number))
                heappush(heap, step)
    return found


def _rank(graph: Graph, start: int, vertex: int) -> int:
    """Of vertices that are as good as each other the lowest is taken."""
    if not graph.alike or vertex >= graph.members:
        return vertex
    return (vertex - start if start % 2 == 0 else start - vertex) % graph.members
