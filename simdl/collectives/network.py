"""What a group finds on each level of a cluster: latency and achieved bandwidth per member.

A member's share of a level is what its device can use while all other devices do the same, for the groups
at the other offsets run at the same time: ports * bandwidth * efficiency / devices behind the ports. On a
full mesh a group of m among d devices reaches (m - 1)/(d - 1) of a device's ports; on a torus the axes it
spans.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from hardware.cluster import Cluster, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One level as seen by one member of a group.

    Attributes:
        link: name of the link.
        switched: the level is a switch.
        latency: [s] of one message.
        peak: [bytes/s] one direction.
        bandwidth: [bytes/s] that long messages sustain.
        half_size: [bytes] that reach half of the bandwidth.
    """

    link: str
    switched: bool
    latency: float
    peak: float
    bandwidth: float
    half_size: float


def _usable_share(level: Level, members: int, domains: int) -> float:
    if members <= 1 or domains <= 2 or members >= domains:
        return 1.0
    if level.topology == "mesh":
        return (members - 1) / (domains - 1)
    if level.topology == "torus":
        axis = 2 / level.ports if level.ports > 2 else 1.0
        return max(axis, log(members) / log(domains))
    return 1.0


def channels(members: Sequence[int], cluster: Cluster) -> tuple[Channel, ...]:
    """One channel per level for a group with these members, innermost first."""
    found, below = [], 1
    for m, level in zip(members, cluster.levels, strict=True):
        link = level.link
        ports = level.ports * _usable_share(level, m, level.size) / below
        found.append(
            Channel(
                link=link.name,
                switched=level.topology == "switch",
                latency=link.latency,
                peak=link.bandwidth * ports,
                bandwidth=link.bandwidth * link.efficiency * ports,
                half_size=link.half_size,
            )
        )
        below *= max(1, level.size)
    return tuple(found)
