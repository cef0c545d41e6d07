"""What groups of ranks find on the links of one domain: the rate of a member, and what every link carries.

Groups at all places of a domain communicate at the same time, so that links which several of them cross are
shared, and the slowest group sets the pace. A ring uses links of its own where the group has them
(:mod:`simdl.topology.cycles`), which routed messages of other groups may still cross; all other messages take
their routes, one ring or round at a time, and a round lasts as long as its busiest link.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from hardware.cluster import Level
from hardware.link import Link
from hardware.topology import Direct, Pair, Tree
from simdl.topology.cycles import disjoint_cycles
from simdl.topology.graph import Graph, level_graph
from simdl.topology.patterns import Pattern, pattern_rounds
from simdl.topology.routes import route

Loads = Mapping[int, float]
"""Per edge of a graph the bytes on it per byte that a member sends."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupUse:
    """One group of a domain while all of its kind communicate.

    Attributes:
        members: of the domain.
        bandwidth: [bytes/s] peak at which a member sends.
        link: that limits it.
        hops: messages of one step that follow one another, because they pass through other members.
        loads: bytes on every edge per byte that a member sends.
    """

    members: tuple[int, ...]
    bandwidth: float
    link: Link
    hops: int
    loads: Loads


def is_wired(level: Level) -> bool:
    """Whether what a group finds inside a domain follows from its links one by one."""
    return level.size > 0 and isinstance(level.wiring, Direct | Tree)


@lru_cache(maxsize=4096)
def group_uses(level: Level, size: int, stride: int, pattern: Pattern) -> tuple[GroupUse, ...]:
    """All groups of ``size`` members ``stride`` apart in one domain of a wired level, none of one member."""
    graph = level_graph(level, level.size)
    groups = tuple(_groups(size, stride, level.size))
    rings = (_own_rings(level, graph, members) for members in groups if pattern is Pattern.RING)
    own = {ring.members: ring for ring in rings if ring is not None}
    routed = _routed_uses(
        graph,
        tuple(members for members in groups if members not in own),
        pattern,
        beside=_total(ring.loads for ring in own.values()),
    )
    total = _total(use.loads for use in (*own.values(), *routed.values()))
    return tuple(
        routed[members] if members in routed else _crossed(graph, own[members], total) for members in groups
    )


def slowest_use(level: Level, size: int, stride: int, pattern: Pattern) -> GroupUse:
    """The group that sets the pace."""
    return min(group_uses(level, size, stride, pattern), key=lambda use: use.bandwidth)


def _groups(size: int, stride: int, domain: int) -> Iterator[tuple[int, ...]]:
    """Members of every group that fits into the domain, in blocks of ``size * stride``."""
    for block in range(0, domain, size * stride):
        for first in range(block, block + stride):
            if first + (size - 1) * stride < domain:
                yield tuple(range(first, first + size * stride, stride))


def _own_rings(level: Level, graph: Graph, members: tuple[int, ...]) -> GroupUse | None:
    """Rings over links between the members that no other ring uses; None if there is none."""
    wiring = level.wiring
    pairs, link = _links_of_pairs(level, wiring)
    links = {pair: int(count) for pair, count in pairs.items() if set(pair) <= set(members)}
    cycles = disjoint_cycles(members, links)
    if not cycles:
        return None
    directed = [ring for cycle in cycles for ring in ({cycle, cycle[::-1]} if len(cycle) > 2 else {cycle})]
    loads: defaultdict[int, float] = defaultdict(float)
    for ring in directed:
        for one, other in zip(ring, (*ring[1:], ring[0]), strict=True):
            loads[_edge(graph, one, other, link)] += 1 / len(directed)
    bandwidth = link.bandwidth * len(directed)
    return GroupUse(members=members, bandwidth=bandwidth, link=link, hops=1, loads=dict(loads))


def _crossed(graph: Graph, ring: GroupUse, total: Loads) -> GroupUse:
    """Rings of its own on links that routed messages of other groups cross as well."""
    slowest = max(total[edge] / graph.edges[edge].bandwidth for edge in ring.loads)
    return replace(ring, bandwidth=min(ring.bandwidth, 1 / slowest))


def _total(parts: Iterable[Loads]) -> dict[int, float]:
    """Bytes on every edge of all parts together."""
    total: defaultdict[int, float] = defaultdict(float)
    for part in parts:
        for edge, amount in part.items():
            total[edge] += amount
    return dict(total)


def _links_of_pairs(level: Level, wiring: object) -> tuple[Mapping[Pair, float], Link]:
    if isinstance(wiring, Direct):
        return wiring.pairs, level.link
    if isinstance(wiring, Tree) and wiring.bridge is not None:
        return wiring.bridges, wiring.bridge
    return {}, level.link


def _edge(graph: Graph, tail: int, head: int, link: Link) -> int:
    return next(
        number
        for number in graph.leaving[tail]
        if graph.edges[number].head == head and graph.edges[number].link is link
    )


def _routed_uses(
    graph: Graph, groups: Sequence[tuple[int, ...]], pattern: Pattern, *, beside: Loads
) -> dict[tuple[int, ...], GroupUse]:
    """Groups whose messages take their routes, all at the same time and beside what other groups send."""
    if not groups:
        return {}
    seconds = dict.fromkeys(groups, 0.0)
    hops = dict.fromkeys(groups, 1)
    loads: dict[tuple[int, ...], defaultdict[int, float]] = {each: defaultdict(float) for each in groups}
    busiest: dict[tuple[int, ...], tuple[float, int]] = {}
    for each in pattern_rounds(pattern, len(groups[0])):
        carried = {
            members: _carried(graph, ((members[i], members[j], part) for i, j, part in each.messages))
            for members in groups
        }
        total = _total((beside, *carried.values()))
        for members, own in carried.items():
            if not own:
                continue
            slowest, edge = max((total[edge] / graph.edges[edge].bandwidth, edge) for edge in own)
            seconds[members] += each.share * slowest
            busiest[members] = max(busiest.get(members, (0.0, edge)), (slowest, edge))
            hops[members] = max(
                hops[members],
                *(_passed(graph, members[i], members[j]) for i, j, _ in each.messages),
            )
            for edge, amount in own.items():
                loads[members][edge] += each.share * amount
    return {
        members: GroupUse(
            members=members,
            bandwidth=1 / seconds[members],
            link=graph.edges[busiest[members][1]].link,
            hops=hops[members],
            loads=dict(loads[members]),
        )
        for members in groups
    }


def graph_loads(graph: Graph, pattern: Pattern) -> Loads:
    """Bytes on every edge per byte that a member sends, where all members of a graph are one group."""
    members = tuple(range(graph.members))
    return _routed_uses(graph, (members,), pattern, beside={})[members].loads


def _carried(graph: Graph, messages: Iterable[tuple[int, int, float]]) -> dict[int, float]:
    """Bytes on every edge per byte that a member sends."""
    loads: defaultdict[int, float] = defaultdict(float)
    for source, target, part in messages:
        for edge in route(graph, source, target):
            loads[edge] += part
    return dict(loads)


def _passed(graph: Graph, source: int, target: int) -> int:
    """Members that a message passes on its way, its target included."""
    return sum(graph.edges[edge].head < graph.members for edge in route(graph, source, target))


@lru_cache(maxsize=4096)
def message_use(level: Level, pairs: tuple[Pair, ...]) -> GroupUse:
    """Messages of equal size between pairs of members of one domain, sent together; the slowest counts."""
    graph = level_graph(level, level.size)
    loads = _carried(graph, ((source, target, 1.0) for source, target in pairs))
    seconds, edge = max((amount / graph.edges[edge].bandwidth, edge) for edge, amount in loads.items())
    return GroupUse(
        members=tuple(sorted({end for pair in pairs for end in pair})),
        bandwidth=1 / seconds,
        link=graph.edges[edge].link,
        hops=max(_passed(graph, *pair) for pair in pairs),
        loads=loads,
    )
