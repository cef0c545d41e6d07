"""What a message or a collective takes of the ports on its way: what transfers at the same time share.

A domain of a level (a device of the innermost, a node of the next) has ports of one total bandwidth per
direction. All ranks of a class send together, so their messages are one load; the bytes that leave a domain,
over the seconds that the transfer takes alone, are its rate, and its share of the ports is that over their
bandwidth. Latency counts as time, so short messages load a port less.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from hardware.cluster import Cluster
from simdl.collectives.algorithms import find_algorithm
from simdl.collectives.cost import collective_time
from simdl.collectives.group import Group, extents
from simdl.collectives.operation import Operation
from simdl.collectives.point_to_point import Hop


@dataclass(frozen=True, slots=True)
class PortLoad:
    """Share of the ports of one domain that a transfer takes while it runs alone.

    Attributes:
        level: of the cluster, innermost first.
        share: of the bandwidth of one direction, in (0, 1].
        members: ranks of the domain that send.
    """

    level: int
    share: float
    members: int


def reach(level: int, cluster: Cluster) -> int:
    """Ranks behind the ports of one domain of a level."""
    return prod(inner.size for inner in cluster.levels[:level])


def port_bandwidth(level: int, cluster: Cluster) -> float:
    """[bytes/s] of all ports of one domain of a level, one direction."""
    found = cluster.levels[level]
    return found.link.bandwidth * found.ports


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
) -> Iterator[PortLoad]:
    """Loads of a collective that ``width`` neighbouring ranks, each in its group, run in ``seconds`` [s].

    The other arguments are those of :func:`collective_time`.
    """
    chosen = collective_time(operation, nbytes, group, cluster, library, algorithm).algorithm
    if chosen == "none":
        return
    terms = find_algorithm(operation, chosen).terms(extents(group, cluster))
    for level, term in enumerate(terms):
        members = min(width, reach(level, cluster))
        share = term.sent * nbytes * members / (seconds * port_bandwidth(level, cluster))
        if share > 0:
            yield PortLoad(level, min(share, 1.0), members)


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


def hop_loads(nbytes: float, hop: Hop, cluster: Cluster, *, seconds: float) -> PortLoad:
    """Load of the messages that cross a hop together in ``seconds``, on either end of it."""
    share = nbytes * hop.flows / (seconds * port_bandwidth(hop.level, cluster))
    return PortLoad(hop.level, min(share, 1.0), hop.flows)
