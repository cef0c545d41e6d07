"""Drawings of networks as text: who is joined to whom by how many of which links, and how loaded they are."""

from collections import Counter
from collections.abc import Iterator, Mapping

from hardware.cluster import NodeType
from hardware.topology import Direct, Dragonfly, Rails, Tree
from hardware.units import format_quantity
from simdl.topology.drawing import Drawing, draw_level, heights, link_loads
from simdl.topology.graph import Graph
from simdl.topology.patterns import Pattern


def node_drawings(node: NodeType) -> tuple[Drawing, ...]:
    """Drawings of the levels of a node type, innermost first."""
    members = ("device", *(level.name for level in node.levels[:-1]))
    return tuple(draw_level(level, member) for level, member in zip(node.levels, members, strict=True))


def drawing_lines(drawing: Drawing, pattern: Pattern | None = None) -> Iterator[str]:
    """One level: a sentence, then a matrix of links, a tree or the axes of a torus.

    Args:
        drawing: of the level.
        pattern: whose load is printed beside the links.
    """
    level = drawing.level
    drawn = drawing.graph.members
    members = f"{drawing.member}s" if drawing.whole != 1 else drawing.member
    size = f"{drawing.whole} {members}" if drawing.whole else f"all {members}"
    cut = "" if drawn == drawing.whole else f", {drawn} of them drawn{_fewer(drawing)}"
    yield f"{level.name}: {size} on {level.link.name}, {_layout(drawing)}{cut}"
    loads = link_loads(drawing, pattern) if pattern is not None and drawn > 1 else {}
    if isinstance(level.wiring, Direct):
        yield from _matrix(drawing.graph, loads)
    elif drawing.shape:
        yield from _torus_lines(drawing, loads)
    elif drawn > 1:
        yield from _tree_lines(drawing.graph, loads)


def _fewer(drawing: Drawing) -> str:
    """What a large fabric has more of below a switch or in a group than is drawn."""
    whole, cut = drawing.wiring, drawing.level.wiring
    if isinstance(whole, Dragonfly) and isinstance(cut, Dragonfly) and cut != whole:
        return f" with {cut.routers} of the {whole.routers} routers of a group"
    if isinstance(whole, Tree) and isinstance(cut, Tree):
        pairs = zip(cut.tiers, whole.tiers, strict=True)
        fewer = [f"{few.size} of {all_.size}" for few, all_ in pairs if few != all_]
        return f" with {', '.join(fewer)} below a switch" if fewer else ""
    return f" as {' x '.join(map(str, drawing.shape))}" if drawing.shape else ""


def _layout(drawing: Drawing) -> str:
    wiring = drawing.wiring
    if isinstance(wiring, Direct):
        return "links between pairs"
    if isinstance(wiring, Tree):
        return f"a tree of {len(wiring.tiers) + 1} tiers"
    if isinstance(wiring, Rails):
        return f"rails in pods of {wiring.size}, oversubscribed {wiring.oversubscription:g}:1 between pods"
    if isinstance(wiring, Dragonfly):
        return f"a dragonfly of groups of {wiring.size}, {wiring.taper:.0%} of their bandwidth between groups"
    if drawing.axes:
        return f"a torus of {' x '.join(map(str, drawing.axes))}"
    names = {"switch": "one switch", "mesh": "fully connected", "bus": "one host"}
    return names[drawing.level.topology]


def _matrix(graph: Graph, loads: Mapping[int, float]) -> Iterator[str]:
    """Links between every two members, and under the diagonal their load where there is one."""
    count = {(edge.tail, edge.head): (number, edge.count) for number, edge in enumerate(graph.edges)}
    yield "      " + "".join(f"{member:>6}" for member in range(graph.members))
    for row in range(graph.members):
        cells = []
        for column in range(graph.members):
            number, links = count.get((row, column), (-1, 0.0))
            text = "x" if row == column else "-" if number < 0 else f"{links:g}"
            if loads and row > column and number >= 0:
                text = f"{loads.get(number, 0.0):.0%}"
            cells.append(f"{text:>6}")
        yield f"{row:>6}" + "".join(cells)
    if loads:
        yield "  above the diagonal links, below it their load"


def _torus_lines(drawing: Drawing, loads: Mapping[int, float]) -> Iterator[str]:
    """Axis by axis of the whole torus, with the load of what is drawn of it."""
    graph, stride, apart = drawing.graph, 1, 1
    for axis, (side, shown) in reversed([*enumerate(zip(drawing.axes, drawing.shape, strict=True))]):
        ring = [place * stride for place in range(min(side, 4))]
        chain = " = ".join(map(str, ring)) + (" = ..." if side > len(ring) else "")
        first = next((n for n in graph.leaving[0] if graph.edges[n].head == apart and shown > 1), None)
        load = f", load {loads.get(first, 0.0):.0%}" if loads and first is not None else ""
        yield f"  axis {'xyz'[axis] if axis < 3 else axis}: {chain}, closed to a ring of {side}{load}"
        stride, apart = stride * side, apart * shown


def _tree_lines(graph: Graph, loads: Mapping[int, float]) -> Iterator[str]:
    """From the top: every switch with what hangs below it; then links between members."""
    height = heights(graph)
    for vertex in sorted(height, key=lambda each: (-height[each], each)):
        below = [
            (graph.edges[number].head, number)
            for number in graph.leaving[vertex]
            if height[graph.edges[number].head] < height[vertex]
        ]
        if below:
            indent = "  " * (max(height.values()) - height[vertex] + 1)
            for text in _runs(graph, below, loads):
                yield f"{indent}{graph.names[vertex]} - {text}"
    yield from _peers(graph, height, loads)
    beside = [
        number
        for number, edge in enumerate(graph.edges)
        if edge.tail < edge.head and height[edge.tail] == height[edge.head] == 0
    ]
    if len(beside) == graph.members * (graph.members - 1) // 2 and not loads:
        yield f"  every pair - {_links(graph, beside[0], loads)}"
        return
    for number in beside:
        edge = graph.edges[number]
        yield f"  {graph.names[edge.tail]} - {graph.names[edge.head]}: {_links(graph, number, loads)}"


def _peers(graph: Graph, height: Mapping[int, int], loads: Mapping[int, float]) -> Iterator[str]:
    """Links between switches as far from the members as each other, such as routers, by what they are."""
    found = Counter(
        _links(graph, number, loads)
        for number, edge in enumerate(graph.edges)
        if edge.tail < edge.head and height[edge.tail] == height[edge.head] > 0
    )
    for links, count in found.items():
        yield f"  between routers, {count} pair{'s' * (count > 1)} - {links}{' each' * (count > 1)}"


def _runs(graph: Graph, below: list[tuple[int, int]], loads: Mapping[int, float]) -> Iterator[str]:
    """Neighbouring vertices with links alike in one entry."""
    runs: list[list[tuple[int, int]]] = []
    for vertex, number in below:
        last = runs[-1][-1] if runs else None
        alike = (
            last and vertex == last[0] + 1 and _links(graph, number, loads) == _links(graph, last[1], loads)
        )
        if alike:
            runs[-1].append((vertex, number))
        else:
            runs.append([(vertex, number)])
    for run in runs:
        first, end = graph.names[run[0][0]], graph.names[run[-1][0]]
        row, _, place = end.rpartition(" ")
        until = place if first.startswith(f"{row} ") else end
        names = first if len(run) == 1 else f"{first} to {until}"
        each = " each" if len(run) > 1 else ""
        yield f"{names}: {_links(graph, run[0][1], loads)}{each}"


def _links(graph: Graph, number: int, loads: Mapping[int, float]) -> str:
    """The links of an edge, with the larger load of its two directions."""
    edge = graph.edges[number]
    back = number ^ 1  # both directions are added together
    load = max(loads.get(number, 0.0), loads.get(back, 0.0))
    rate = format_quantity(edge.bandwidth, "bandwidth")
    return f"{edge.count:.4g} x {edge.link.name}, {rate}" + (f", load {load:.0%}" if loads else "")
