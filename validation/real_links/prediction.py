"""What the simulator says of a star of shaped links: a cluster of one-device nodes, built from known numbers.

- Bandwidth is the rate that the links were shaped to, which counts frames. Of a full frame of 1514 bytes,
  Ethernet's header takes 14, IPv4's 20 and TCP's 20, with its timestamps 12: what is sent moves at
  1448/1514 = 95.6 % of the rate. That is the link's efficiency.
- Latency is the measured time of a one-byte message on idle links. It includes the added delay.
- Sums cost what the profile of a host processor says; here they are far below the time on the links.

No number is fitted to the rows that are predicted.
"""

from dataclasses import replace
from functools import lru_cache

from hardware.cluster import Cluster, Level, NodeType
from hardware.link import Link
from hardware.profiles import load_device
from simdl.communication import Group, Operation, collective_time, point_to_point_time
from validation.real_links.link_run import Conditions
from validation.real_links.moves import POINT_TO_POINT
from validation.real_links.shaping import FRAME

HEADERS = 14 + 20 + 20 + 12  # [bytes] Ethernet, IPv4, TCP, timestamps
EFFICIENCY = (FRAME - HEADERS) / FRAME
DEVICE = "host-cpu"
LIBRARY = "gloo"  # plain algorithms called by the host; its cost of a call is microseconds


@lru_cache(maxsize=16)
def build_cluster(conditions: Conditions) -> Cluster:
    """Nodes of one device each, one port each on one switch."""
    link = Link(
        name="shaped",
        description="a virtual Ethernet pair behind token-bucket filters",
        bandwidth=conditions.rate,
        latency=conditions.latency,
        efficiency=EFFICIENCY,
        half_size=0.0,
    )
    inside = Level(name="node", link=link, ports=1, size=1, topology="bus")
    node = NodeType(
        name="namespace",
        description="a rank in a network namespace",
        device=load_device(DEVICE),
        levels=(inside, replace(inside, name="network", size=0, topology="switch")),
    )
    return Cluster(node=node, count=conditions.ranks)


def predicted_time(algorithm: str, nbytes: int, conditions: Conditions) -> float:
    """Time [s] of an all-reduce by this algorithm, or of a point-to-point transfer."""
    cluster = build_cluster(conditions)
    if algorithm == POINT_TO_POINT:
        return point_to_point_time(nbytes, 1, cluster, LIBRARY)
    group = Group(size=conditions.ranks)
    return collective_time(Operation.ALL_REDUCE, nbytes, group, cluster, LIBRARY, algorithm).time
