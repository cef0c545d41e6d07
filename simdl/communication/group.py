"""The ranks of one collective, and how many of them share each level of the cluster.

Ranks are numbered so that neighbours share the innermost level. A group of ``size`` ranks at distance
``stride`` therefore has ``d / stride`` members in a domain of ``d`` devices, or one when the stride is
longer. Groups at all places of the cluster communicate at the same time and the slowest sets the pace, so
where blocks of ``size * stride`` ranks and domains do not divide one another, the worst placed group counts:
of groups of 6 on nodes of 8, the second has ranks 6 to 11 and needs the network.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, lcm

from hardware.cluster import Cluster
from simdl.errors import CollectiveError


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Ranks ``r, r + stride, ...`` that take part in one collective.

    Attributes:
        size: number of ranks.
        stride: distance in rank between members.
    """

    size: int
    stride: int = 1


def extents(group: Group, cluster: Cluster) -> tuple[int, ...]:
    """Members of the group per level, innermost first: (members of one node, nodes) on two levels.

    The product is ``group.size`` where the sizes divide. Otherwise members are spread evenly over the domains
    of the worst placed group, rounded up: 12 ranks on nodes of 8 are two nodes of 6, 11 ranks too.

    Raises:
        CollectiveError: the group is empty or reaches past the last device of the cluster.
    """
    span = (group.size - 1) * group.stride + 1
    if group.size < 1 or group.stride < 1 or span > cluster.devices:
        raise CollectiveError(
            f"group of {group.size} ranks at stride {group.stride} on {cluster.name}: "
            f"expected positive numbers that span at most {cluster.devices} devices"
        )
    reach, domains = 1, [group.size]
    for level in cluster.levels[:-1]:
        reach *= level.size
        domains.append(_domains(group, reach, cluster.devices))
    return (*(ceil(inner / outer) for inner, outer in pairwise(domains)), domains[-1])


def _domains(group: Group, reach: int, devices: int) -> int:
    """Domains of ``reach`` devices over which the worst placed group is spread.

    A group whose first rank is the f-th of its domain ends in domain (f + span - 1) // reach after it, so the
    largest f counts. Places repeat after the least common multiple of block and domain.
    """
    block = group.size * group.stride
    span = block - group.stride + 1
    room = devices - span + 1  # ranks at which a group may start
    first = max(
        min(start % reach + min(group.stride, room - start), reach) - 1
        for start in range(0, min(room, lcm(block, reach)), block)
    )
    return min(group.size, (first + span - 1) // reach + 1)
