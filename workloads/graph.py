"""Graphs by their counts, and the neighbourhoods that training on them touches."""

from collections.abc import Iterator
from dataclasses import dataclass

from workloads.errors import NetworkError
from workloads.layers.graph import Neighbourhood

LIMIT = 10**13


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """What a graph network trains on.

    Attributes:
        name: of the graph.
        source: where its counts are printed.
        nodes: of the graph.
        edges: directed ones, both ways of an undirected edge.
        features: of a node.
        classes: that nodes are sorted into.
        parts: partitions that ``cut`` was measured with; 1 for none.
        cut: share of edges with ends in two parts.
    """

    name: str
    source: str
    nodes: int
    edges: int
    features: int
    classes: int
    parts: int = 1
    cut: float = 0.0

    def __post_init__(self) -> None:
        faults = list(_faults(self))
        if faults:
            raise NetworkError(faults)


def neighbourhoods(graph: Graph, layers: int, fanout: tuple[int, ...]) -> tuple[Neighbourhood, ...]:
    """What each layer works on, first to last.

    Args:
        graph: its counts.
        layers: of the network.
        fanout: neighbours drawn per node, from the seeds outwards, at most as many as a node has on average;
            () for the whole graph in every layer.

    Raises:
        NetworkError: as many numbers as layers are needed, each at least 1.
    """
    halo = (graph.cut, graph.parts)
    if not fanout:
        return (
            Neighbourhood(sources=graph.nodes, targets=graph.nodes, edges=graph.edges, halo=halo),
        ) * layers
    place = f"graph {graph.name}: fanout"
    if len(fanout) != layers:
        raise NetworkError(
            [f"{place}: found {len(fanout)} numbers; expected one for each of {layers} layers"]
        )
    faults = [f"{place}[{n}]: found {each}; expected at least 1" for n, each in enumerate(fanout) if each < 1]
    if faults:
        raise NetworkError(faults)
    degree = -(-graph.edges // graph.nodes)
    hoods, targets = [], 1
    for drawn in fanout:
        edges = targets * min(drawn, degree)
        hoods.append(Neighbourhood(sources=targets + edges, targets=targets, edges=edges))
        targets += edges
    # features of what the outermost layer reads come from the parts that hold them
    outermost = hoods[-1]
    hoods[-1] = Neighbourhood(
        sources=outermost.sources, targets=outermost.targets, edges=outermost.edges, halo=halo
    )
    return tuple(reversed(hoods))


def _faults(graph: Graph) -> Iterator[str]:
    place = f"graph {graph.name}"
    for name in ("nodes", "edges", "features", "classes", "parts"):
        value = getattr(graph, name)
        if not 1 <= value <= LIMIT:
            yield f"{place}: {name}: found {value}; expected 1 to {LIMIT:,}"
    if graph.parts > graph.nodes > 0:
        yield f"{place}: parts: found {graph.parts:,}; expected at most its {graph.nodes:,} nodes"
    if not 0 <= graph.cut <= 1:
        yield f"{place}: cut: found {graph.cut}; expected a share of edges, 0 to 1"
    if graph.parts == 1 and graph.cut:
        yield f"{place}: cut: found {graph.cut} with one part; expected parts of at least 2, or no cut"
