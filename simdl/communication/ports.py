"""What a message or a collective takes of the links on its way: what transfers at the same time share.

A domain of a level (a device of the innermost, a node of the next) has ports of one total bandwidth per
direction. All ranks of a class send together, so their messages are one load; the bytes that leave a domain,
over the seconds that the transfer takes alone, are its rate, and its share of the ports is that over their
bandwidth. Latency counts as time, so short messages load a port less. Where a level has wiring, a transfer
loads the links of its routes, and the uplinks of the switches that it crosses.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod

from hardware.cluster import Cluster, Level
from simdl.communication.algorithms import find_algorithm
from simdl.communication.cost import collective_time
from simdl.communication.group import Group, extents
from simdl.communication.operation import Operation
from simdl.communication.point_to_point import Hop
from simdl.topology.graph import level_graph
from simdl.topology.groups import group_uses, is_wired, message_use
from simdl.topology.patterns import Pattern
from simdl.topology.torus import torus_share
from simdl.topology.uplinks import Uplink, uplink_share, uplinks


@dataclass(frozen=True, slots=True)
class Port:
    """Links that are one resource.

    Attributes:
        label: what they are.
        level: of the cluster, innermost first.
        ranks: neighbours behind them.
        bandwidth: [bytes/s] of one direction.
        outward: away from these ranks.
    """

    label: str
    level: int
    ranks: int
    bandwidth: float
    outward: bool = True


@dataclass(frozen=True, slots=True)
class PortLoad:
    """Share of links that a transfer takes while it runs alone.

    Attributes:
        port: the links.
        share: of their bandwidth, in (0, 1].
        members: ranks behind them that send.
    """

    port: Port
    share: float
    members: int


def reach(level: int, cluster: Cluster) -> int:
    """Ranks behind the ports of one domain of a level."""
    return prod(inner.size for inner in cluster.levels[:level])


def collective_loads(
    operation: Operation,
    nbytes: float,
    group: Group,
    cluster: Cluster,
    *,
    library: str,
    algorithm: str = "auto",
    seconds: float,
    width: int,
    first: int = 0,
) -> tuple[PortLoad, ...]:
    """Loads of a collective that ``width`` neighbouring ranks, each in its group, run in ``seconds`` [s].

    ``first`` is the lowest of these ranks; the other arguments are those of :func:`collective_time`.
    """
    chosen = collective_time(operation, nbytes, group, cluster, library, algorithm).algorithm
    if chosen == "none":
        return ()
    wired = any(is_wired(level) for level in cluster.levels)
    return _algorithm_loads(operation, nbytes, group, cluster, chosen, seconds, width, first if wired else 0)


@lru_cache(maxsize=65536)
def _algorithm_loads(  # noqa: PLR0917 - what the loads hang on
    operation: Operation,
    nbytes: float,
    group: Group,
    cluster: Cluster,
    algorithm: str,
    seconds: float,
    width: int,
    first: int,
) -> tuple[PortLoad, ...]:
    return tuple(_level_loads(operation, nbytes, group, cluster, algorithm, seconds, width, first))


def _level_loads(  # noqa: PLR0917 - the same
    operation: Operation,
    nbytes: float,
    group: Group,
    cluster: Cluster,
    algorithm: str,
    seconds: float,
    width: int,
    first: int,
) -> Iterator[PortLoad]:
    found = find_algorithm(operation, algorithm)
    members = extents(group, cluster)
    for index, (term, m) in enumerate(zip(found.terms(members), members, strict=True)):
        behind = reach(index, cluster)
        part = _Part(
            level=cluster.levels[index],
            index=index,
            below=behind,
            members=m,
            stride=max(1, group.stride // behind),
            pattern=found.pattern,
            rate=term.sent * nbytes / seconds,
            first=first,
            width=width,
        )
        if part.rate > 0:
            yield from _part_loads(part)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What a collective does on one level.

    Attributes:
        level, index: of the cluster.
        below: ranks of one member of the level.
        members, stride: of a group, in members of the level.
        pattern: of the messages.
        rate: [bytes/s] that a rank sends.
        first, width: ranks that take part.
    """

    level: Level
    index: int
    below: int
    members: int
    stride: int
    pattern: Pattern
    rate: float
    first: int
    width: int


def _part_loads(part: _Part) -> Iterator[PortLoad]:
    senders = min(part.width, part.below)
    if part.members > 1 and is_wired(part.level):
        rates = {edge: part.rate * senders * share for edge, share in _link_shares(part).items()}
        yield from _link_loads(part.level, part.index, part.below, rates, part.width)
        return
    routed = torus_share(part.level, part.pattern, members=part.members, stride=part.stride)
    port = _domain_port(part.level, part.index, part.below)
    yield from _both_ways(port, part.rate * senders / routed, senders)
    for each in uplinks(part.level, part.pattern):
        port = _uplink_port(each, part.level, part.index, part.below)
        worth = uplink_share(each, part.pattern, members=part.members, stride=part.stride)
        taking = min(part.width, port.ranks)
        rate = part.rate * senders * min(worth, max(1.0, taking / part.below))
        yield from _both_ways(port, rate, taking)


def _domain_port(level: Level, index: int, below: int) -> Port:
    return Port(level.link.name, index, below, level.link.bandwidth * level.ports)


def _uplink_port(each: Uplink, level: Level, index: int, below: int) -> Port:
    label = f"{level.link.name} uplinks ({each.name})"
    return Port(label, index, each.nodes * below, level.link.bandwidth * each.ports)


def _both_ways(port: Port, rate: float, members: int) -> Iterator[PortLoad]:
    """The load of a port by [bytes/s], away from the ranks behind it and towards them."""
    if rate > 0:
        for outward in (True, False):
            yield PortLoad(replace(port, outward=outward), min(rate / port.bandwidth, 1.0), members)


def _link_shares(part: _Part) -> Mapping[int, float]:
    """Bytes on every link of a domain per byte that a member sends, by the groups that take part.

    Of a group that reaches beyond these ranks its other members have transfers of their own.
    """
    size = part.level.size
    low = part.first // part.below % size
    count = max(1, part.width // part.below)
    here = range(size) if count >= size else range(low, low + count)
    shares: defaultdict[int, float] = defaultdict(float)
    for use in group_uses(part.level, part.members, part.stride, part.pattern):
        own = sum(member in here for member in use.members) / len(use.members)
        for edge, amount in use.loads.items():
            if own:
                shares[edge] += own * amount
    return shares


def _link_loads(
    level: Level, index: int, below: int, rates: Mapping[int, float], width: int
) -> Iterator[PortLoad]:
    """Loads of single links of a domain by the [bytes/s] on them."""
    graph = level_graph(level, level.size)
    ranks = level.size * below
    for number, rate in rates.items():
        edge = graph.edges[number]
        label = f"{edge.link.name} {graph.names[edge.tail]} > {graph.names[edge.head]}"
        port = Port(label, index, ranks, edge.bandwidth)
        yield PortLoad(port, min(rate / edge.bandwidth, 1.0), min(width, ranks))


def sent_bytes(
    operation: Operation,
    nbytes: float,
    group: Group,
    cluster: Cluster,
    *,
    library: str,
    algorithm: str = "auto",
) -> float:
    """[bytes] that one rank of a collective sends on the level where it sends most."""
    chosen = collective_time(operation, nbytes, group, cluster, library, algorithm).algorithm
    if chosen == "none":
        return 0.0
    terms = find_algorithm(operation, chosen).terms(extents(group, cluster))
    return nbytes * max(term.sent for term in terms)


def hop_loads(
    nbytes: float, hop: Hop, cluster: Cluster, *, seconds: float
) -> tuple[tuple[PortLoad, ...], tuple[PortLoad, ...]]:
    """Loads of the messages that cross a hop together in ``seconds``, at its senders and at its receivers."""
    level, below = cluster.levels[hop.level], reach(hop.level, cluster)
    if hop.pairs:
        use = message_use(level, hop.pairs)
        rates = {edge: nbytes / seconds * amount for edge, amount in use.loads.items()}
        return tuple(_link_loads(level, hop.level, below, rates, hop.flows * len(hop.pairs))), ()
    rate = nbytes * hop.flows / seconds
    found = [*_both_ways(_domain_port(level, hop.level, below), rate, hop.flows)]
    for each in uplinks(level, Pattern.RING):
        nodes = min(each.nodes, hop.nodes, hop.distance)
        port = _uplink_port(each, level, hop.level, below)
        found += _both_ways(port, rate * nodes, hop.flows * nodes)
    sent = tuple(load for load in found if load.port.outward)
    return sent, tuple(load for load in found if not load.port.outward)
