"""What a group finds on each level of a cluster: latency and achieved bandwidth per member.

A member's share of a level is what its device can use while all other devices do the same, for the groups
at the other offsets run at the same time: ports * bandwidth * efficiency / devices behind the ports. On a
full mesh a group of m among d devices reaches (m - 1)/(d - 1) of a device's ports; on a torus both directions
of the axes it spans, but two neighbours share one link, and messages that pass members take a link of each
(:mod:`simdl.topology.torus`). Where a level has wiring, links and uplinks decide
(:mod:`simdl.topology`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from math import pow as power

from hardware.cluster import Cluster, Level
from simdl.topology.groups import GroupUse, is_wired, slowest_use
from simdl.topology.patterns import Pattern
from simdl.topology.torus import torus_share
from simdl.topology.uplinks import usable_share


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One level as seen by one member of a group.

    Attributes:
        link: name of the link.
        switched: the level is a switch.
        latency: [s] of one message.
        peak: [bytes/s] one direction.
        bandwidth: [bytes/s] that long messages sustain.
        ramp: [s] by which a long message falls behind the bandwidth: its half size over the rate of a port.
    """

    link: str
    switched: bool
    latency: float
    peak: float
    bandwidth: float
    ramp: float


def _usable_share(level: Level, members: int) -> float:
    """Share of a device's ports that a group of ``members`` can use."""
    if level.size <= 2 or members >= level.size:
        return 1.0
    if level.topology == "mesh":
        return (max(2, members) - 1) / (level.size - 1)
    if level.topology == "torus":
        links = 1 if members <= 2 else 2 * _axes(level, members)
        return min(1.0, links / level.ports)
    return 1.0


def _axes(level: Level, members: int) -> float:
    """Axes of a torus that the group spans, in proportion to the logarithm of its size, at least one."""
    axes = max(1.0, level.ports / 2)
    return max(1.0, axes * log(max(2, members)) / log(max(2, level.size, members)))


def _step_latency(level: Level, members: int) -> float:
    """Latency of one of the m - 1 steps of a ring; a torus needs only one ring per axis."""
    if level.topology != "torus" or members <= 2:
        return level.link.latency
    axes = _axes(level, members)
    return level.link.latency * axes * (power(members, 1 / axes) - 1) / (members - 1)


def channels(
    members: Sequence[int], cluster: Cluster, *, stride: int = 1, pattern: Pattern = Pattern.RING
) -> tuple[Channel, ...]:
    """One channel per level for a group with these members, innermost first.

    Args:
        members: of the group per level.
        cluster: the machine.
        stride: distance in rank between members.
        pattern: of the messages.
    """
    found, below = [], 1
    for m, level in zip(members, cluster.levels, strict=True):
        apart = max(1, stride // below)
        if m > 1 and is_wired(level):
            found.append(wired_channel(slowest_use(level, m, apart, pattern), sharers=below))
        else:
            sharers = below / usable_share(level, pattern, members=m, stride=apart)
            routed = torus_share(level, pattern, members=m, stride=apart)
            found.append(level_channel(level, m, sharers=sharers, most=routed))
        below *= max(1, level.size)
    return tuple(found)


def wired_channel(use: GroupUse, *, sharers: float) -> Channel:
    """What a member finds on links one by one, each rate shared by ``sharers`` devices."""
    return Channel(
        link=use.link.name,
        switched=False,
        latency=use.link.latency * use.hops,
        peak=use.bandwidth / sharers,
        bandwidth=use.bandwidth * use.link.efficiency / sharers,
        ramp=use.link.half_size / (use.link.bandwidth * use.link.efficiency),
    )


def level_channel(level: Level, members: int, *, sharers: float, most: float = 1.0) -> Channel:
    """What one of ``members`` finds on a level where ``sharers`` use ``most`` of the same ports at once."""
    link = level.link
    ports = level.ports * min(most, _usable_share(level, members)) / sharers
    return Channel(
        link=link.name,
        switched=level.topology == "switch",
        latency=_step_latency(level, members),
        peak=link.bandwidth * ports,
        bandwidth=link.bandwidth * link.efficiency * ports,
        ramp=link.half_size / (link.bandwidth * link.efficiency),
    )
