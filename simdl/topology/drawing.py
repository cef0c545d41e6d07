"""What is drawn of a level: its graph, or the first members of one too large, with places and loads."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import cos, pi, prod, sin

from hardware.cluster import Level
from hardware.topology import Dragonfly, Rails, Torus, Tree, Wiring
from simdl.topology.graph import Graph, level_graph, torus_shape
from simdl.topology.groups import graph_loads, group_uses, is_wired
from simdl.topology.patterns import Pattern

MOST = 72  # members that are drawn of one domain: a rack of NVL72
FABRIC = 64  # nodes that are drawn of a network, at most
NODES_OUT, GROUPS_APART = 1.5, 4.0  # in radii of the circle on which routers of a group stand
FEW = 4  # nodes of a network without tiers

Place = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawing:
    """One level as it is drawn.

    Attributes:
        level: of the cluster, cut to what is drawn.
        member: what a member is called.
        whole: members of a full domain; 0 for as many as there are.
        wiring: of the level before it was cut.
        graph: of the members drawn.
        shape: members that are drawn along the axes of a torus, else ().
        axes: members along them of the whole torus, else ().
    """

    level: Level
    member: str
    whole: int
    graph: Graph
    wiring: Wiring | None = None
    shape: tuple[int, ...] = ()
    axes: tuple[int, ...] = ()


@lru_cache(maxsize=64)
def draw_level(level: Level, member: str) -> Drawing:
    """The graph of a level; the first members of one that is too large for a picture."""
    shape: tuple[int, ...] = ()
    axes: tuple[int, ...] = ()
    wiring = level.wiring
    if level.size == 0:
        level = replace(level, wiring=_cut_fabric(level.wiring))
        members = _fabric_members(level)
    elif level.topology == "torus":
        axes = torus_shape(level, level.size)
        shape = _cut_shape(axes)
        members = prod(shape)
        level = replace(level, wiring=Torus(shape=shape))
    else:
        members = min(level.size, MOST)
    return Drawing(
        level=level,
        member=member,
        whole=level.size,
        graph=level_graph(level, members, member),
        wiring=wiring,
        shape=shape,
        axes=axes,
    )


def _fabric_members(level: Level) -> int:
    """Nodes below two switches of the highest tier, or two pods or groups."""
    wiring = level.wiring
    if isinstance(wiring, Tree):
        return min(FABRIC, 2 * prod(tier.size for tier in wiring.tiers))
    if isinstance(wiring, Rails | Dragonfly):
        return min(FABRIC, 2 * wiring.size)
    return FEW


def _cut_fabric(wiring: Wiring | None) -> Wiring | None:
    """A fabric of which two of the largest switches or groups can be drawn, each with fewer below it."""
    if isinstance(wiring, Dragonfly):
        routers = max(2, FABRIC // (2 * wiring.nodes))
        return replace(wiring, routers=min(wiring.routers, routers))
    if not isinstance(wiring, Tree):
        return wiring
    sizes = [tier.size for tier in wiring.tiers]
    while 2 * prod(sizes) > FABRIC and max(sizes) > 1:
        sizes[sizes.index(max(sizes))] -= 1
    tiers = (replace(tier, size=size) for tier, size in zip(wiring.tiers, sizes, strict=True))
    return replace(wiring, tiers=tuple(tiers))


def _cut_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    longest = max(shape)
    while prod(shape) > MOST:
        longest -= 1
        shape = tuple(min(side, longest) for side in shape)
    return shape


def link_loads(drawing: Drawing, pattern: Pattern) -> Mapping[int, float]:
    """Per edge its use while all members drawn send in a pattern, 1 for the busiest."""
    level, graph = drawing.level, drawing.graph
    if graph.members < 2:
        return {}
    if is_wired(level) and graph.members == level.size:
        loads: defaultdict[int, float] = defaultdict(float)
        for use in group_uses(level, level.size, 1, pattern):
            for edge, amount in use.loads.items():
                loads[edge] += amount
    else:
        loads = defaultdict(float, graph_loads(graph, pattern))
    used = {edge: amount / graph.edges[edge].bandwidth for edge, amount in loads.items()}
    most = max(used.values())
    return {edge: share / most for edge, share in used.items()}


def places(drawing: Drawing) -> list[Place]:
    """Where every vertex stands: a grid, circles, or rows of switches over the members."""
    graph = drawing.graph
    if isinstance(drawing.level.wiring, Dragonfly):
        return _group_places(graph, drawing.level.wiring)
    if drawing.shape:
        return [_grid_place(member, drawing.shape) for member in range(graph.members)]
    switches = len(graph.names) - graph.members
    if switches <= 1:
        circle = [
            (sin(2 * pi * member / graph.members), cos(2 * pi * member / graph.members))
            for member in range(graph.members)
        ]
        return circle + [(0.0, 0.0)] * switches
    return _rows(graph)


def _group_places(graph: Graph, wiring: Dragonfly) -> list[Place]:
    """Groups side by side, each a circle of routers with their nodes around it."""

    def on_circle(turn: float, group: int, radius: float) -> Place:
        return GROUPS_APART * group + radius * sin(2 * pi * turn), radius * cos(2 * pi * turn)

    members = [
        on_circle((member % wiring.size + 0.5) / wiring.size, member // wiring.size, NODES_OUT)
        for member in range(graph.members)
    ]
    switches = [
        on_circle((number % wiring.routers + 0.5) / wiring.routers, number // wiring.routers, 1.0)
        for number in range(len(graph.names) - graph.members)
    ]
    return members + switches


def _grid_place(member: int, shape: tuple[int, ...]) -> Place:
    """Axes along x and y; a third one is drawn aslant."""
    along = []
    for side in reversed(shape):
        along.append(member % side)
        member //= side
    x, y, *rest = (*along, 0, 0)[:3]
    aslant = rest[0] if rest else 0
    return x + 0.35 * aslant, -y - 0.35 * aslant


def heights(graph: Graph) -> dict[int, int]:
    """Links between every vertex and the nearest member, members first."""
    height = dict.fromkeys(range(graph.members), 0)
    ahead = list(height)
    for vertex in ahead:
        for number in graph.leaving[vertex]:
            head = graph.edges[number].head
            if head not in height:
                height[head] = height[vertex] + 1
                ahead.append(head)
    return height


def _rows(graph: Graph) -> list[Place]:
    """Every vertex as high as it is far from the nearest member, above the mean of those below it."""
    height = heights(graph)
    found: dict[int, Place] = {member: (float(member), 0.0) for member in range(graph.members)}
    for vertex in [*height][graph.members :]:
        below = [
            found[graph.edges[number].head][0]
            for number in graph.leaving[vertex]
            if height[graph.edges[number].head] < height[vertex] and graph.edges[number].head in found
        ]
        found[vertex] = sum(below) / len(below), float(height[vertex])
    return _apart([found[vertex] for vertex in range(len(graph.names))])


def _apart(found: list[Place]) -> list[Place]:
    """Vertices that would stand on one another, next to each other."""
    taken: dict[Place, int] = {}
    moved = []
    for x, y in found:
        number = taken.get((x, y), 0)
        taken[x, y] = number + 1
        moved.append((x + 0.6 * number, y))
    return moved
