"""Uplinks: what the switches between nodes leave of the bandwidth of their ports.

The nodes below a switch send up through its uplinks what leaves them together. How much that is follows from
the pattern of an algorithm: of a ring over neighbouring nodes only one node's worth leaves, because the
others send to nodes below the same switch; of an all-to-all nearly all. The bandwidth of a node falls by what
the fullest uplinks cannot carry, round by round.

On rails a message first crosses to the device on its target's rail inside the node, as NCCL does (PXN, since
2.12), so that only what leaves a pod takes the spine. Between groups of a dragonfly only an all-to-all loads
the global links evenly; other patterns are spread over intermediate groups and cross twice (Kim et al. 2008,
section 4; Valiant 1982).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from hardware.cluster import Level
from hardware.topology import Dragonfly, Rails, Tree
from simdl.topology.patterns import Pattern, doubling_distances


@dataclass(frozen=True, slots=True)
class Uplink:
    """The links from the switches of one tier to the rest of a network.

    Attributes:
        name: of what stands below them.
        nodes: below.
        ports: up, in links of the level.
    """

    name: str
    nodes: int
    ports: float


@lru_cache(maxsize=1024)
def uplinks(level: Level, pattern: Pattern) -> tuple[Uplink, ...]:
    """Uplinks of a level between nodes; none where it blocks nothing."""
    wiring = level.wiring
    if level.size == 0 and isinstance(wiring, Tree):
        return tuple(_tree_uplinks(wiring))
    if isinstance(wiring, Rails):
        return (Uplink("pod", wiring.size, wiring.size * level.ports / wiring.oversubscription),)
    if isinstance(wiring, Dragonfly):
        crossings = 1 if pattern is Pattern.PAIRS else 2
        return (Uplink("group", wiring.size, wiring.taper * wiring.size * level.ports / crossings),)
    return ()


def _tree_uplinks(wiring: Tree) -> Iterator[Uplink]:
    nodes = 1
    for number, tier in enumerate(wiring.tiers):
        nodes *= tier.size
        yield Uplink(f"tier {number}", nodes, tier.ports)


def leaving(pattern: Pattern, distance: int, *, members: int, stride: int, nodes: int) -> float:
    """How many nodes' worth of a round's bytes leaves neighbouring nodes below one switch.

    Args:
        pattern: of the algorithm.
        distance: of partners in a round, in members of the group.
        members: nodes of a group.
        stride: nodes from member to member; groups at all places send together.
        nodes: neighbours below the switch.
    """
    if (members - 1) * stride < nodes:
        return 0.0
    if pattern is Pattern.PAIRS:
        inside = min(members, max(1.0, nodes / stride))
        return nodes * (members - inside) / (members - 1)
    return float(min(nodes, distance * stride))


def _rounds(pattern: Pattern, members: int) -> list[tuple[float, int]]:
    """Shares and distances of the rounds of a pattern."""
    if pattern not in {Pattern.DOUBLING, Pattern.HALVING}:
        return [(1.0, 1)]
    distances = doubling_distances(members)
    weights = [1.0 if pattern is Pattern.DOUBLING else 1 / distance for distance in distances]
    return [(weight / sum(weights), distance) for weight, distance in zip(weights, distances, strict=True)]


def uplink_share(each: Uplink, pattern: Pattern, *, members: int, stride: int) -> float:
    """Nodes' worth of the bytes of a whole algorithm that leaves the nodes below an uplink."""
    return sum(
        share * leaving(pattern, distance, members=members, stride=stride, nodes=each.nodes)
        for share, distance in _rounds(pattern, members)
    )


def usable_share(level: Level, pattern: Pattern, *, members: int, stride: int) -> float:
    """Share of a node's ports that uplinks let a group use, in (0, 1]; each round has its slowest link."""
    found = uplinks(level, pattern)
    if not found or members < 2:
        return 1.0
    seconds = 0.0
    for share, distance in _rounds(pattern, members):
        worths = (leaving(pattern, distance, members=members, stride=stride, nodes=u.nodes) for u in found)
        slowest = max(worth * level.ports / u.ports for worth, u in zip(worths, found, strict=True))
        seconds += share * max(1.0, slowest)
    return 1 / seconds
