"""The ranks of one collective, and how many of them share each level of the cluster.

Ranks are numbered so that neighbours share the innermost level. A group of ``size`` ranks at distance
``stride`` therefore has ``d / stride`` members in a domain of ``d`` devices, or one when the stride is
longer.
"""

from dataclasses import dataclass
from math import ceil

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

    The product is ``group.size`` where the sizes divide. Otherwise members are spread as evenly as the fewest
    domains allow, rounded up: 12 ranks on nodes of 8 are two nodes of 6, 11 ranks too.

    Raises:
        CollectiveError: the group is empty or reaches past the last device of the cluster.
    """
    span = (group.size - 1) * group.stride + 1
    if group.size < 1 or group.stride < 1 or span > cluster.devices:
        raise CollectiveError(
            f"group of {group.size} ranks at stride {group.stride} on {cluster.name}: "
            f"expected positive numbers that span at most {cluster.devices} devices"
        )
    members, left, stride = [], group.size, group.stride
    for level in cluster.levels[:-1]:
        domains = ceil(left / max(1, level.size // stride))
        members.append(ceil(left / domains))
        left = domains
        stride = ceil(stride / level.size)
    return (*members, left)
