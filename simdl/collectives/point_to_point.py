"""One message between two ranks, as pipelines send it: launch + alpha + n beta, with the ramp of the link.

Every device of a node is taken to send at the same moment, so each has its own share of the network ports.
"""

from functools import lru_cache
from math import pow as power

from hardware.cluster import Cluster
from simdl.collectives.cost import Curve
from simdl.collectives.library import load_library
from simdl.collectives.network import Channel, channels
from simdl.errors import CollectiveError


def _channel(stride: int, cluster: Cluster) -> Channel:
    """The innermost level that joins two ranks at this distance."""
    members = [1] * len(cluster.levels)
    reach = 1
    for index, level in enumerate(cluster.levels):
        reach *= level.size
        if stride < reach or index == len(members) - 1:
            members[index] = 2
            return channels(members, cluster)[index]
    raise AssertionError("a cluster has levels")


@lru_cache(maxsize=4096)
def _curves(stride: int, cluster: Cluster, library: str) -> tuple[Curve, ...]:
    if not 0 < stride < cluster.devices:
        raise CollectiveError(
            f"transfer to the rank {stride} away on {cluster.name}: expected 1 to {cluster.devices - 1}"
        )
    channel, profile = _channel(stride, cluster), load_library(library)
    return tuple(
        Curve(
            algorithm="point_to_point",
            fixed=profile.launch + protocol.launch + protocol.latency * channel.latency,
            rate=1 / (channel.bandwidth * protocol.bandwidth),
            fill=power(channel.half_size, profile.ramp) / channel.bandwidth if protocol.streams else 0.0,
            growth=1 - profile.ramp,
        )
        for protocol in profile.protocols
    )


@lru_cache(maxsize=65536)
def point_to_point_time(nbytes: float, stride: int, cluster: Cluster, library: str = "nccl") -> float:
    """Time [s] to send ``nbytes`` to the rank ``stride`` away.

    Raises:
        CollectiveError: the stride leaves the cluster, or the library is unknown.
    """
    if nbytes <= 0:
        return 0.0
    return min(curve.time(nbytes) for curve in _curves(stride, cluster, library))
