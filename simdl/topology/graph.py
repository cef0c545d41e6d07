"""Graph: the members of one domain of a level, the switches between them, and the links.

Every link is full duplex: an edge stands for one direction. Members come first, numbered as ranks are.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from math import prod

from hardware.cluster import Level
from hardware.link import Link
from hardware.topology import Direct, Dragonfly, Rails, Torus, Tree
from simdl.errors import SimdlError


@dataclass(frozen=True, slots=True)
class Edge:
    """One direction of the links between two vertices.

    Attributes:
        tail, head: vertices.
        link: what kind of link.
        count: links beside each other.
    """

    tail: int
    head: int
    link: Link
    count: float

    @property
    def bandwidth(self) -> float:
        """[bytes/s] peak."""
        return self.link.bandwidth * self.count


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graph:
    """Members, switches and links.

    Attributes:
        members: number of members, the first vertices.
        names: of all vertices.
        edges: both directions of every link.
        leaving: per vertex the indices of the edges that leave it.
        alike: whether the network looks the same from every member, as a torus does.
    """

    members: int
    names: tuple[str, ...]
    edges: tuple[Edge, ...]
    leaving: tuple[tuple[int, ...], ...] = field(repr=False)
    alike: bool = False


class GraphBuilder:
    """Collects vertices and links; :meth:`graph` freezes them."""

    def __init__(self, members: int, name: str) -> None:
        self._members = members
        self._names = [f"{name} {number}" for number in range(members)]
        self._edges: list[Edge] = []

    def vertex(self, name: str) -> int:
        """A new switch; its number."""
        self._names.append(name)
        return len(self._names) - 1

    def join(self, one: int, other: int, link: Link, count: float) -> None:
        """Links between two vertices, both directions."""
        if count > 0:
            self._edges += Edge(one, other, link, count), Edge(other, one, link, count)

    def graph(self, *, alike: bool = False) -> Graph:
        """What has been built; ``alike`` where it looks the same from every member.

        Raises:
            SimdlError: some member cannot be reached.
        """
        leaving: list[list[int]] = [[] for _ in self._names]
        for number, edge in enumerate(self._edges):
            leaving[edge.tail].append(number)
        graph = Graph(
            members=self._members,
            names=tuple(self._names),
            edges=tuple(self._edges),
            leaving=tuple(map(tuple, leaving)),
            alike=alike,
        )
        _check_connected(graph)
        return graph


def _check_connected(graph: Graph) -> None:
    left, ahead = {*range(1, len(graph.names))}, [0]
    while ahead:
        near = {graph.edges[number].head for number in graph.leaving[ahead.pop()]} & left
        left -= near
        ahead.extend(near)
    if apart := [graph.names[vertex] for vertex in sorted(left) if vertex < graph.members]:
        found = f"no link leads from {graph.names[0]} to {', '.join(apart)}"
        raise SimdlError(f"topology: {found}; expected a connected network")


@lru_cache(maxsize=256)
def level_graph(level: Level, members: int, name: str = "device") -> Graph:
    """The graph of one domain of a level with so many members.

    Args:
        level: whose wiring.
        members: of the domain; for the last level as many as there are.
        name: what a member is called.
    """
    build, wiring = GraphBuilder(members, name), level.wiring
    if isinstance(wiring, Direct):
        for (one, other), count in wiring.pairs.items():
            if other < members:
                build.join(one, other, level.link, count)
    elif isinstance(wiring, Tree):
        _build_tree(build, level, wiring, members)
    elif isinstance(wiring, Rails):
        _build_rails(build, level, wiring, members)
    elif isinstance(wiring, Dragonfly):
        _build_dragonfly(build, level, wiring, members)
    else:
        _build_alike(build, level, members)
    return build.graph(alike=level.topology == "torus")


def _build_alike(build: GraphBuilder, level: Level, members: int) -> None:
    """Members that a number of ports joins all alike."""
    if level.topology == "torus":
        _build_torus(build, level, torus_shape(level, members))
    elif level.topology == "mesh" and members > 1:
        # The ports of a device are spread over all its peers of a full domain.
        for one, other in combinations(range(members), 2):
            build.join(one, other, level.link, level.ports / (max(level.size, members) - 1))
    else:
        hub = build.vertex("host" if level.topology == "bus" else "switch")
        for member in range(members):
            build.join(member, hub, level.link, level.ports)


def _build_tree(build: GraphBuilder, level: Level, wiring: Tree, members: int) -> None:
    below, ports = list(range(members)), level.ports
    for number, tier in enumerate(wiring.tiers):
        above = []
        for first in range(0, len(below), tier.size):
            switch = build.vertex(f"switch {number}.{first // tier.size}")
            above.append(switch)
            for vertex in below[first : first + tier.size]:
                build.join(vertex, switch, level.link, ports)
        below, ports = above, tier.ports
    root = build.vertex("root")
    for vertex in below:
        build.join(vertex, root, level.link, ports)
    for (one, other), count in wiring.bridges.items():
        if other < members and wiring.bridge is not None:
            build.join(one, other, wiring.bridge, count)


def _build_rails(build: GraphBuilder, level: Level, wiring: Rails, members: int) -> None:
    rails = max(1, round(level.ports))
    pods = range(0, members, wiring.size)
    spine = build.vertex("spine")
    for first in pods:
        inside = range(first, min(first + wiring.size, members))
        for rail in range(rails):
            switch = build.vertex(f"rail {rail} of pod {first // wiring.size}")
            for node in inside:
                build.join(node, switch, level.link, level.ports / rails)
            up = wiring.size * level.ports / rails / wiring.oversubscription
            build.join(switch, spine, level.link, up)


def _build_dragonfly(build: GraphBuilder, level: Level, wiring: Dragonfly, members: int) -> None:
    groups: list[list[int]] = []
    for first in range(0, members, wiring.size):
        routers = []
        for start in range(first, min(first + wiring.size, members), wiring.nodes):
            router = build.vertex(f"router {start // wiring.nodes}")
            routers.append(router)
            for node in range(start, min(start + wiring.nodes, members)):
                build.join(node, router, level.link, level.ports)
        # Local links carry what the nodes of a router send to the others of the group, spread evenly.
        for one, other in combinations(routers, 2):
            local = wiring.nodes * level.ports / max(1, wiring.routers - 1)
            build.join(one, other, level.link, local)
        groups.append(routers)
    links = wiring.taper * wiring.size * level.ports / max(1, len(groups) - 1)
    for (a, first_group), (b, second_group) in combinations(enumerate(groups), 2):
        ends = first_group[(b - 1) % len(first_group)], second_group[a % len(second_group)]
        build.join(*ends, level.link, links)


def torus_shape(level: Level, members: int) -> tuple[int, ...]:
    """Members along each axis: as its profile says, or as nearly cubic as the number allows."""
    if isinstance(level.wiring, Torus) and prod(level.wiring.shape) == members:
        return level.wiring.shape
    axes = max(1, round(level.ports / 2))
    shape, left = [], members
    for axis in range(axes, 1, -1):
        ideal = left ** (1 / axis)
        side = min((d for d in range(1, left + 1) if left % d == 0), key=lambda d: abs(d - ideal))
        shape.append(side)
        left //= side
    return (*shape, left)


def _build_torus(build: GraphBuilder, level: Level, shape: tuple[int, ...]) -> None:
    links = level.ports / (2 * max(1, round(level.ports / 2)))
    for one, other in torus_pairs(shape):
        build.join(one, other, level.link, links)


def torus_pairs(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Neighbours on a torus, each link once; two members of an axis share the one link between them."""
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    for member in range(prod(shape)):
        for side, stride in zip(shape, strides, strict=True):
            place = member // stride % side
            if side > 2 or (side == 2 and place == 0):
                yield member, member + ((place + 1) % side - place) * stride
