"""The network of a step: every level of the cluster, its links coloured by what the step's messages take."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hardware.cluster import Cluster, Level
from planner.pages.figures.network import network_figure
from planner.pages.page import Section
from simdl.communication.ports import reach
from simdl.program.program import Channel
from simdl.report.link_use import link_uses
from simdl.step.simulate import Simulation
from simdl.topology.drawing import MOST, Drawing, heights
from simdl.topology.graph import Graph, level_graph
from simdl.topology.groups import is_wired

Uses = Mapping[Channel, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Domain:
    """A domain of a level as it is drawn.

    Attributes:
        level, index: of the cluster.
        below: ranks of one member.
        first: lowest rank.
        graph: of the members.
        member: what a member is called.
    """

    level: Level
    index: int
    below: int
    first: int
    graph: Graph
    member: str


def network_sections(simulation: Simulation) -> tuple[Section, ...]:
    """Drawings of the levels that the step uses, each of its busiest domain; none where nothing is sent."""
    step = simulation.step
    cluster = step.pricing.cluster
    if cluster.more or not step.strategy.devices > 1:
        return ()
    uses = link_uses(step, simulation.timeline)
    width = step.strategy.tp * step.strategy.replicas
    drawn = [
        found for index in range(len(cluster.levels)) if (found := _busiest(index, cluster, uses, width))
    ]
    most = max((use for _, loads in drawn for use in loads.values()), default=0.0)
    return tuple(_section(domain, loads, most) for domain, loads in drawn)


def _busiest(index: int, cluster: Cluster, uses: Uses, width: int) -> tuple[_Domain, dict[int, float]] | None:
    """The domain of a level with the busiest link, and the shares of its links; None if none is used."""
    level, below = cluster.levels[index], reach(index, cluster)
    members = min(level.size or cluster.devices // below, cluster.devices // below, MOST)
    if members < 2:
        return None
    whole = level.size * below or cluster.devices
    starts = sorted({rank // whole * whole for rank in range(0, cluster.devices, width)})
    name = cluster.levels[index - 1].name if index else "device"
    graph = level_graph(level, members, name)
    domains = [
        _Domain(level=level, index=index, below=below, first=first, graph=graph, member=name)
        for first in starts
    ]
    found = [(domain, _edge_uses(domain, uses, width)) for domain in domains]
    busiest = max(found, key=lambda each: max(each[1].values(), default=0.0))
    return busiest if busiest[1] else None


def _section(domain: _Domain, loads: Mapping[int, float], most: float) -> Section:
    members = domain.graph.members
    drawing = Drawing(level=domain.level, member=domain.member, whole=members, graph=domain.graph)
    last = domain.first + members * domain.below - 1
    return Section(
        title=f"Network: {domain.level.name}",
        body=network_figure(drawing, {edge: use / most for edge, use in loads.items()}, most=most),
        note=f"Ranks {domain.first} to {last}, where {domain.level.link.name} is busiest: the messages of "
        f"the step take {max(loads.values()):.2%} of the bandwidth of one link, on the mean over the step.",
    )


def _edge_uses(domain: _Domain, uses: Uses, width: int) -> dict[int, float]:
    """Share by link; ranks of a class do the same, so one without channels has those of the first."""
    own = {
        (channel.name.partition(" of rank")[0], channel.reach, channel.first, channel.outward): use
        for channel, use in uses.items()
        if channel.level == domain.index
    }

    def use(label: str, ranks: int, rank: int, *, outward: bool) -> float:
        alike = rank // width * width // ranks * ranks
        return own.get((label, ranks, rank, outward), own.get((label, ranks, alike, outward), 0.0))

    found = {}
    for number, (label, ranks, rank, outward) in _ports(domain):
        share = use(label, ranks, rank, outward=outward)
        if share:
            found[number] = share
    return found


def _ports(domain: _Domain) -> Iterator[tuple[int, tuple[str, int, int, bool]]]:
    """Per link of the drawing which port it is: label, ranks behind it, the first, and its direction."""
    graph, level, below = domain.graph, domain.level, domain.below
    wired = is_wired(level)
    names = level_graph(level, level.size).names if wired else ()
    height = heights(graph)
    for number, edge in enumerate(graph.edges):
        if wired:
            label = f"{edge.link.name} {names[edge.tail]} > {names[edge.head]}"
            yield number, (label, level.size * below, domain.first, True)
            continue
        outward = height[edge.tail] <= height[edge.head]
        lower = edge.tail if outward else edge.head
        inside = _members_below(graph, lower, height)
        rank = domain.first + min(inside) * below
        label = (
            level.link.name
            if lower < graph.members
            else f"{level.link.name} uplinks ({_tier(level, height[lower])})"
        )
        yield number, (label, len(inside) * below, rank, outward)


def _tier(level: Level, height: int) -> str:
    """What ports of a network call the links above switches of this height."""
    kinds = {"Rails": "pod", "Dragonfly": "group"}
    return kinds.get(type(level.wiring).__name__, f"tier {height - 1}")


def _members_below(graph: Graph, vertex: int, height: Mapping[int, int]) -> set[int]:
    """Members that hang below a vertex, itself included."""
    if vertex < graph.members:
        return {vertex}
    heads = (graph.edges[number].head for number in graph.leaving[vertex])
    return {
        member
        for head in heads
        if height[head] < height[vertex]
        for member in _members_below(graph, head, height)
    }
