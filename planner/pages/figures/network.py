"""Drawings of networks: vertices where they stand, links as wide as they are fast, coloured by load."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from hardware.topology import Dragonfly
from hardware.units import format_quantity
from planner.pages.figures.palette import GREY, MEMBER, SWITCH, load_colour
from planner.pages.figures.style import new_figure
from simdl.topology.drawing import Drawing, places

NAMED = 24  # members up to which every one is named
SIDEWAYS = 0.75  # from the middle of a circle of radius 1
TWO = 2  # members of an axis whose closing link is the only one
BENDS = 8  # straight pieces of a bent line
BENT = 0.45  # how far it bends, over its length; a quarter of it in the middle
SHADES = 5  # steps of load that are told apart by colour


Point = tuple[float, float]


def network_figure(drawing: Drawing, loads: Mapping[int, float], *, most: float = 0.0) -> go.Figure:
    """One level.

    Args:
        drawing: of the level.
        loads: per edge, 1 for the busiest; empty where no load is known.
        most: share of its bandwidth that the busiest gives; 0 where loads are known by their ratio alone.
    """
    figure = new_figure(height=460, showlegend=bool(loads))
    at = places(drawing)
    for shade in range(SHADES) if loads else [0]:
        _add_links(figure, drawing, at, loads, (shade, most))
    _add_vertices(figure, drawing, at)
    hidden = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_xaxes(hidden, range=_room([x for x, _ in at]))
    figure.update_yaxes(hidden, range=_room([y for _, y in at]))
    return figure


def _share(load: float, most: float) -> str:
    return f"{load * most:.2%} of the bandwidth" if most else f"load {load:.0%}"


def _room(places: list[float]) -> list[float]:
    """A range with room for names on either side."""
    low, high = min(places), max(places)
    room = max(0.3 * (high - low), 0.5)  # two members stand one above the other
    return [low - room, high + room]


def _beside(place: tuple[float, float], what: str, *, circle: bool) -> str:
    """Where a name meets no link: outwards of a circle, aside of its middle, below and above rows."""
    x, y = place
    if not circle:
        return "bottom center" if what == "members" else "top center"
    if abs(x) > SIDEWAYS:
        return "middle right" if x > 0 else "middle left"
    return "top center" if y > 0 else "bottom center" if y < 0 else "bottom right"


def _shade(load: float) -> int:
    return min(SHADES - 1, int(load * SHADES))


def _around(drawing: Drawing, one: int, other: int) -> bool:
    """Whether a link closes an axis of a torus, so that a straight line would pass over other members."""
    stride = 1
    for side in reversed(drawing.shape):
        if abs(one - other) == stride * (side - 1) and side > TWO:
            return True
        stride *= side
    return False


def _path(start: Point, end: Point, *, around: bool) -> list[Point]:
    """The line of a link: straight, or bent beside the row of members that it closes."""
    if not around:
        return [start, end]
    (x0, y0), (x1, y1) = start, end
    steps = (step / BENDS for step in range(BENDS + 1))
    return [
        (
            x0 + t * (x1 - x0) + BENT * t * (1 - t) * (y1 - y0),
            y0 + t * (y1 - y0) - BENT * t * (1 - t) * (x1 - x0),
        )
        for t in steps
    ]


def _middle(path: list[Point]) -> Point:
    """The middle of a line of links."""
    (x0, y0), (x1, y1) = path[(len(path) - 1) // 2], path[len(path) // 2]
    return (x0 + x1) / 2, (y0 + y1) / 2


def _add_links(
    figure: go.Figure,
    drawing: Drawing,
    at: list[tuple[float, float]],
    loads: Mapping[int, float],
    step: tuple[int, float],
) -> None:
    """Links whose load lies on one step of colours, below the largest of all."""
    graph, (shade, most) = drawing.graph, step
    x: list[float | None] = []
    y: list[float | None] = []
    middle: list[tuple[float, float, str]] = []
    for number in range(0, len(graph.edges), 2):
        load = max(loads.get(number, 0.0), loads.get(number + 1, 0.0))
        if loads and _shade(load) != shade:
            continue
        edge = graph.edges[number]
        path = _path(at[edge.tail], at[edge.head], around=_around(drawing, edge.tail, edge.head))
        x += [*(place[0] for place in path), None]
        y += [*(place[1] for place in path), None]
        told = f"{graph.names[edge.tail]} - {graph.names[edge.head]}<br>{edge.count:g} x {edge.link.name}, "
        told += format_quantity(edge.bandwidth, "bandwidth") + (f"<br>{_share(load, most)}" if loads else "")
        middle.append((*_middle(path), told))
    if not middle:
        return
    colour = load_colour(shade / (SHADES - 1)) if loads else GREY
    ends = shade / SHADES, (shade + 1) / SHADES
    name = "links"
    if loads and most:
        name = f"{ends[0] * most:.2%} to {ends[1] * most:.2%} of the bandwidth"
    elif loads:
        name = f"{ends[0]:.0%} to {ends[1]:.0%} of the busiest"
    figure.add_scatter(
        x=x, y=y, mode="lines", name=name, line={"color": colour, "width": 1.5 + shade}, hoverinfo="skip"
    )
    figure.add_scatter(
        x=[each[0] for each in middle],
        y=[each[1] for each in middle],
        text=[each[2] for each in middle],
        mode="markers",
        name=name,
        marker={"color": colour, "size": 5},
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _add_vertices(figure: go.Figure, drawing: Drawing, at: list[tuple[float, float]]) -> None:
    graph = drawing.graph
    named = not isinstance(drawing.level.wiring, Dragonfly)
    circle = max(x * x + y * y for x, y in at) < 1.01 and len(graph.names) - graph.members <= 1
    for name, low, high, colour, symbol in (
        ("members", 0, graph.members, MEMBER, "circle"),
        ("switches", graph.members, len(graph.names), SWITCH, "square"),
    ):
        names = graph.names[low:high]
        in_words = named and len(names) <= NAMED
        if circle and name == "switches" and in_words:
            _name_middle(figure, names, at[low:high])
            in_words = False
        if names:
            figure.add_scatter(
                name=name,
                x=[place[0] for place in at[low:high]],
                y=[place[1] for place in at[low:high]],
                mode="markers+text" if in_words else "markers",
                text=names,
                textposition=[_beside(place, name, circle=circle) for place in at[low:high]],
                marker={"color": colour, "symbol": symbol, "size": 12, "line": {"color": GREY, "width": 1}},
                hovertemplate="%{text}<extra></extra>",
                showlegend=False,
            )


def _name_middle(figure: go.Figure, names: Sequence[str], at: Sequence[Point]) -> None:
    """Names of what stands in the middle of a circle, edged in white: links run all around it."""
    for text, (x, y) in zip(names, at, strict=True):
        figure.add_annotation(
            text=text,
            x=x,
            y=y,
            xanchor="left",
            yanchor="top",
            xshift=6,
            yshift=-6,
            showarrow=False,
            bgcolor="white",
            borderpad=1,
            opacity=0.9,
        )
