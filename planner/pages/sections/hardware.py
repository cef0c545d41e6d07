"""The page of `simdl hardware`: the network of a node type level by level, and its links as a table."""

from collections.abc import Iterator, Mapping
from typing import Any

from hardware.cluster import NodeType
from hardware.units import format_quantity
from planner.console.answers.network_text import drawing_lines, node_drawings
from planner.pages.figures.network import network_figure
from planner.pages.page import Cell, Page, Section, Table
from simdl.topology.drawing import Drawing, link_loads
from simdl.topology.patterns import Pattern

SENDING = {
    Pattern.RING: "to the next",
    Pattern.PAIRS: "to every other",
    Pattern.DOUBLING: "to the one at distance 1, 2, 4, ..., as much each time",
    Pattern.HALVING: "to the one at distance 1, 2, 4, ..., half as much each time",
    Pattern.SERVER: "to the first",
}


def hardware_page(node: NodeType, pattern: Pattern | None, data: dict[str, Any]) -> Page:
    """The page of a node type; ``data`` is the command's JSON."""
    told = "Links are coloured by load while all members send"
    line = f"{told} {SENDING[pattern]}." if pattern else "No load is drawn; --pattern does."
    sections = [section for each in node_drawings(node) for section in _sections(each, pattern)]
    return Page(
        title=f"{node.name}: {node.description}",
        headline=data["headline"],
        lines=(line,),
        sections=tuple(sections),
        data=data,
    )


def _sections(drawing: Drawing, pattern: Pattern | None) -> Iterator[Section]:
    if drawing.graph.members < 2:
        return
    loads = link_loads(drawing, pattern) if pattern is not None else {}
    title = f"Level {drawing.level.name}"
    note = next(drawing_lines(drawing))
    yield Section(title=title, body=network_figure(drawing, loads), note=note)
    rows = tuple(_row(drawing, number, loads) for number in range(0, len(drawing.graph.edges), 2))
    yield Section(
        title=f"Links of level {drawing.level.name}",
        body=Table(
            header=("from", "to", "link", "links", "bandwidth", *(["load"] if loads else [])), rows=rows
        ),
    )


def _row(drawing: Drawing, number: int, loads: Mapping[int, float]) -> tuple[Cell, ...]:
    graph = drawing.graph
    edge = graph.edges[number]
    load = max(loads.get(number, 0.0), loads.get(number + 1, 0.0))
    cells = (
        Cell(text=graph.names[edge.tail]),
        Cell(text=graph.names[edge.head]),
        Cell(text=edge.link.name),
        Cell(text=f"{edge.count:g}", value=edge.count),
        Cell(text=format_quantity(edge.bandwidth, "bandwidth"), value=edge.bandwidth),
    )
    return (*cells, Cell(text=f"{load:.0%}", value=load)) if loads else cells
