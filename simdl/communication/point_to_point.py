"""Messages between pairs of ranks, as pipelines and rings send them: launch + alpha + n beta, with the ramp.

All ranks of a stage, or of all rings, send at the same moment and the slowest pair sets the pace. Only the
pairs that leave a node share its ports. A rank alone uses one port, or its part of them where there are more
ports than devices.
"""

from dataclasses import dataclass
from functools import lru_cache, reduce
from math import ceil, prod

import numpy as np

from hardware.cluster import Cluster, Level
from simdl.communication.algorithms import Algorithm
from simdl.communication.cost import build_curve
from simdl.communication.curves import Curve, Ways, least_time
from simdl.communication.group import Group, extents
from simdl.communication.library import load_library
from simdl.communication.network import Channel, level_channel, wired_channel
from simdl.communication.terms import Terms
from simdl.communication.tuning.constants import number_of
from simdl.communication.tuning.nccl import PAIR_CHANNEL
from simdl.communication.tuning.sight import GB
from simdl.errors import CollectiveError
from simdl.topology.groups import group_uses, is_wired, message_use
from simdl.topology.patterns import Pattern
from simdl.topology.uplinks import uplinks
from workloads.amounts import as_number, is_table, larger

PAIR_PROTOCOLS = ("ll", "simple")  # LL128 is for collectives alone
PAIR_LL_BYTES = 16384.0  # per channel, NCCL_P2P_LL_THRESHOLD; RCCL keeps it
MESSAGE = Algorithm(name="point_to_point", terms=lambda _: (), pipelined=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """Messages that pairs of ranks send at the same moment over one level of the cluster.

    Attributes:
        level: index of the innermost level that joins the two ranks of a pair.
        flows: messages that leave one domain of the level below together.
        pairs: senders and receivers within the domain, where its links decide one by one.
        nodes: domains of the level below that send.
        distance: in such domains, to the receiver.
    """

    level: int
    flows: int
    pairs: tuple[tuple[int, int], ...] = ()
    nodes: int = 1
    distance: int = 1


def find_hop(first: int, last: int, *, senders: int, cluster: Cluster, distance: int | None = None) -> Hop:
    """Hop of the farthest pair when neighbouring ranks send to as many others, all at one distance.

    Some pair leaves a domain exactly if the ranks from the first to the last do not fit in it.

    Args:
        first: lowest rank that sends or receives.
        last: highest one.
        senders: ranks that send.
        cluster: the machine.
        distance: from a sender to its receiver; without, all ranks from the first to the last take part.
    """
    apart = last - first - senders + 1 if distance is None else distance
    reach = 1
    for index, level in enumerate(cluster.levels[:-1]):
        below, reach = reach, reach * level.size
        if first // reach == last // reach:
            pairs = _pairs(first, senders, apart, below, level) if is_wired(level) else ()
            return Hop(level=index, flows=min(senders, below), pairs=pairs)
    flows = min(senders, reach)
    if not cluster.levels[-1].wiring:
        return Hop(level=len(cluster.levels) - 1, flows=flows)
    return Hop(
        level=len(cluster.levels) - 1,
        flows=flows,
        nodes=ceil(senders / reach),
        distance=max(1, apart // reach),
    )


def _pairs(first: int, senders: int, apart: int, below: int, level: Level) -> tuple[tuple[int, int], ...]:
    """Members of one domain of a wired level that send to one another."""
    ends = ((rank // below, (rank + apart) // below) for rank in range(first, first + senders))
    size = level.size
    return tuple((one % size, other % size) for one, other in ends if one // size == other // size)


def _channel(hop: Hop, cluster: Cluster) -> Channel:
    level = cluster.levels[hop.level]
    below = prod(inner.size for inner in cluster.levels[: hop.level])
    sharers = max(hop.flows, min(level.ports, below))
    if hop.pairs:
        return wired_channel(message_use(level, hop.pairs), sharers=1.0)
    return level_channel(level, 2, sharers=sharers / min(1.0, _uplink_share(hop, level)))


def _uplink_share(hop: Hop, level: Level) -> float:
    """Share of the ports of a sending domain that uplinks let it use."""
    worths = ((min(each.nodes, hop.nodes, hop.distance), each) for each in uplinks(level, Pattern.RING))
    return min((each.ports / (worth * level.ports) for worth, each in worths), default=1.0)


@lru_cache(maxsize=4096)
def _curves(hop: Hop, cluster: Cluster, library: str) -> tuple[Curve, ...]:
    channel, profile = _channel(hop, cluster), load_library(library)
    terms = Terms(steps=1, sent=1.0)
    return tuple(
        build_curve(MESSAGE, protocol, profile, used=((terms, channel),), arithmetic=0.0)
        for protocol in profile.protocols
        if profile.version is None or protocol.name in PAIR_PROTOCOLS
    )


@lru_cache(maxsize=4096)
def _longest_short(hop: Hop, cluster: Cluster, library: str) -> float:
    """[bytes] up to which a library with a tuning model sends one message by its short protocol."""
    version = load_library(library).version
    if version is None:
        return 0.0
    level = cluster.levels[hop.level]
    cards = level.link.bandwidth / GB / PAIR_CHANNEL
    channels = 2 if hop.level == 0 else max(1, int(cards))
    return number_of(version, "pair_ll_bytes", PAIR_LL_BYTES) * channels


def hop_time(nbytes: float, hop: Hop, cluster: Cluster, library: str = "nccl") -> float:
    """Time [s] until every pair of a hop has sent ``nbytes``.

    A library with a tuning model takes its short protocol up to a size, any other what is faster.

    Raises:
        CollectiveError: the library is unknown.
    """
    found, longest = _curves(hop, cluster, library), _longest_short(hop, cluster, library)
    if longest == 0:
        return least_time(found, nbytes)
    return Ways(curves=(found[0], found[-1]), ends=(longest * (1 + 1e-12),)).time(nbytes)


def ring_time(nbytes: float, group: Group, cluster: Cluster, library: str = "nccl") -> float:
    """Time [s] until every member of all groups has sent ``nbytes`` to the next, the last to the first.

    Of one group, or of a table of them.

    Raises:
        CollectiveError: the group does not fit, or the library is unknown.
    """
    if is_table(group.size, group.stride):
        return _ring_times(nbytes, group, cluster, library)
    hops = _ring_hops(group, cluster)
    times = (hop_time(nbytes, hop, cluster, library) for hop in hops)
    return reduce(larger, times, nbytes * 0.0)


def _ring_times(nbytes: float, group: Group, cluster: Cluster, library: str) -> float:
    """[s] of a table of groups: every distinct hop is looked at once."""
    sizes, strides, amounts = np.broadcast_arrays(group.size, group.stride, nbytes)
    code = sizes * (cluster.devices + 1) + strides
    distinct, place = np.unique(code, return_inverse=True)
    crossed: dict[Hop, list[int]] = {}
    for number, each in enumerate(distinct.tolist()):
        size, stride = divmod(each, cluster.devices + 1)
        for hop in _ring_hops(Group(size=size, stride=stride), cluster):
            crossed.setdefault(hop, []).append(number)
    times = np.zeros(amounts.shape)
    for hop, numbers in crossed.items():
        rows = np.flatnonzero(np.isin(place, numbers))
        times[rows] = np.maximum(times[rows], hop_time(as_number(amounts[rows]), hop, cluster, library))
    seconds: float = as_number(times)
    return seconds


@lru_cache(maxsize=4096)
def _ring_hops(group: Group, cluster: Cluster) -> tuple[Hop, ...]:
    """The levels that a ring crosses.

    ``stride`` members next to one another leave a domain at its end, and at its start too where groups and
    domains are not aligned.
    """
    found, below = [], 1
    for index, (m, level) in enumerate(zip(extents(group, cluster), cluster.levels, strict=True)):
        if m > 1:
            ends = 1 if group.size * group.stride % below == 0 else 2
            flows = min(ends * group.stride, below)
            apart = max(1, group.stride // below)
            pairs = _ring_pairs(level, m, apart) if is_wired(level) else ()
            spread = {"nodes": m * apart, "distance": apart} if level.wiring else {}
            found.append(Hop(level=index, flows=flows, pairs=pairs, **spread))
        below *= level.size
    return tuple(found)


def _ring_pairs(level: Level, members: int, stride: int) -> tuple[tuple[int, int], ...]:
    """Neighbours in the rings of all groups of one domain."""
    groups = (use.members for use in group_uses(level, members, stride, Pattern.RING))
    return tuple(pair for each in groups for pair in zip(each, (*each[1:], each[0]), strict=True))


def point_to_point_time(nbytes: float, stride: int, cluster: Cluster, library: str = "nccl") -> float:
    """Time [s] in which the first ``stride`` ranks send ``nbytes`` each to the rank ``stride`` away.

    Raises:
        CollectiveError: the stride leaves the cluster, or the library is unknown.
    """
    if not 0 < stride < cluster.devices:
        raise CollectiveError(
            f"transfer to the rank {stride} away on {cluster.name}: expected 1 to {cluster.devices - 1}"
        )
    return hop_time(
        nbytes, find_hop(0, stride, senders=stride, cluster=cluster, distance=stride), cluster, library
    )
