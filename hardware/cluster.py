"""Devices placed on a hierarchy of links: node types and the clusters built from them.

Ranks are numbered so that neighbours share the innermost level. A communication group is described by its
``size`` and ``stride`` (distance in rank between members), from which each level's extent follows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from hardware.citation import CitedNumber
from hardware.device import Device
from hardware.errors import HardwareError
from hardware.host import Host, hosts_of
from hardware.link import Link
from hardware.topology import LevelTopology, Torus, Wiring, cut_wiring

DEVICES = 1_000_000  # of a cluster, at most; ten times the largest there is


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Level:
    """One tier of the interconnect, innermost first in a cluster.

    Attributes:
        name: ``node``, ``rack``, ``slice`` or ``network``.
        link: what joins the members.
        ports: ports *per domain of the level below* (per device for the innermost level, per node for the
            next); may be fractional where devices share a port.
        size: members of one domain of this level, counted in domains of the level below; 0 for "all there
            are".
        topology: how the links are laid out.
        wiring: the links themselves, where ports and topology do not say it.
    """

    name: str
    link: Link
    ports: float
    size: int
    topology: LevelTopology
    wiring: Wiring | None = None


def resized_level(level: Level, size: int) -> Level:
    """The level with its first ``size`` members alone."""
    return replace(level, size=size, wiring=cut_wiring(level.wiring, size))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCollective:
    """What a collective of all devices of a node took there, instead of what its links say.

    Attributes:
        latency: [s] of one that moves nothing.
        bandwidth: [bytes/s] of the entire buffer.
    """

    latency: float
    bandwidth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadiness:
    """How steady a machine was while it was calibrated.

    Attributes:
        drift: standard deviation of the log of its speed over windows of a few seconds.
        pace: [s] of a probe of its speed beside the measurements (`validation.microbenchmarks.pace`); 0 where
            nobody probed.
    """

    drift: float
    pace: float


def drift_of(cluster: "Cluster") -> float:
    """Log spread of the speed of a cluster's machine while it was calibrated; 0 where it was not."""
    return 0.0 if cluster.node.steadiness is None else cluster.node.steadiness.drift


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NodeType:
    """A registered node or pod type, such as ``dgx-a100`` or ``tpu-v4-slice``.

    ``levels[0]`` joins the devices of one node; the last level joins nodes (its size is 0). ``measured_on``
    says on what and with what a calibrated profile was measured (``device``, ``backend``, ``processes`` ...);
    empty for every other. ``host_power`` is what a whole node draws beside its devices [W], 0 where nobody
    metered it. ``whole`` is the number of devices of the node where only some of them are taken
    (:func:`part_of_node`), else 0. ``host`` is None where a profile does not say what its memory is.
    ``library`` names the collective library that runs there, with its release (``nccl:2.21.5``); ``""`` for
    the usual one. ``software`` is what a framework was measured to spend there beside kernels [s], by field
    of a software stack, ``collectives`` what collectives of all its devices took, by operation, and
    ``steadiness`` how steady the machine was meanwhile; there are none but in calibrated profiles.
    """

    name: str
    description: str
    device: Device
    levels: tuple[Level, ...]
    measured_on: Mapping[str, str] = field(default_factory=dict)
    numbers: tuple[CitedNumber, ...] = ()
    whole: int = 0
    host_power: float = 0.0
    host: Host | None = None
    library: str = ""
    software: Mapping[str, float] = field(default_factory=dict)
    collectives: Mapping[str, MeasuredCollective] = field(default_factory=dict)
    steadiness: Steadiness | None = None

    def __repr__(self) -> str:
        return f"<NodeType {self.name}: {self.devices} x {self.device.name}>"

    @property
    def devices(self) -> int:
        """Devices of one node."""
        return self.levels[0].size


def part_of_node(node: NodeType, devices: int) -> NodeType:
    """The first devices of a node, on the links that they have there; the others are left alone.

    Raises:
        HardwareError: more devices than the node has, or none.
    """
    if not 0 < devices <= node.devices:
        raise HardwareError(
            f"node {node.name}: found {devices} devices; expected 1 to {node.devices}, those of one node"
        )
    if devices == node.devices:
        return node
    inner, *outer = node.levels
    return replace(
        node,
        levels=(resized_level(inner, devices), *outer),
        whole=node.whole or node.devices,
        collectives={},
        host=host_of_part(node, devices),
    )


def host_of_part(node: NodeType, devices: int) -> Host | None:
    """The host of the first devices of a node: all of it, or those of its hosts that serve them."""
    host = node.host
    if host is None or not host.devices:
        return host
    return hosts_of(host, devices, -(-node.devices // host.devices))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cluster:
    """``count`` nodes of one type, and of a mixed cluster nodes of other types behind them.

    Attributes:
        node: type of the first nodes.
        count: of them.
        more: clusters of one type each, whose ranks follow; () where all nodes are alike.

    Raises:
        HardwareError: more than ``DEVICES`` devices, or nodes with unlike numbers of devices.
    """

    node: NodeType
    count: int
    more: tuple["Cluster", ...] = ()

    def __post_init__(self) -> None:
        if self.devices > DEVICES:
            raise HardwareError(
                f"cluster {self.name}: found {self.devices:,} devices; expected at most {DEVICES:,}"
            )
        for part in self.more:
            if part.node.devices != self.node.devices:
                raise HardwareError(
                    f"cluster {self.name}: found nodes of {self.node.devices} and of {part.node.devices} "
                    "devices; expected as many in each, such as part of the larger node"
                )

    def __repr__(self) -> str:
        return f"<Cluster {self.name}: {self.devices:,} devices>"

    @property
    def name(self) -> str:
        """``NODE:COUNT`` or ``NODE:Ngpus`` as the command line writes it, with commas between node types."""
        own = f"{self.node.name}:{f'{self.node.devices}gpus' if self.node.whole else self.count}"
        return ",".join((own, *(part.name for part in self.more)))

    @property
    def device(self) -> Device:
        """The device every rank runs on; of a mixed cluster the device of its first ranks."""
        return self.node.device

    @property
    def devices(self) -> int:
        """Number of devices in the cluster."""
        return self.node.devices * self.count + sum(part.devices for part in self.more)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Interconnect tiers, innermost first; of a mixed cluster those of its first nodes."""
        return self.node.levels

    @property
    def parts(self) -> tuple["Cluster", ...]:
        """The nodes of each type, in the order of their ranks."""
        return (replace(self, more=()), *self.more) if self.more else (self,)


def find_host(cluster: Cluster) -> Host:
    """The host of the nodes of a cluster.

    Raises:
        HardwareError: its profile says nothing of it.
    """
    host = cluster.node.host
    if host is None:
        raise HardwareError(
            f"cluster {cluster.name}: found no host memory; expected a table [host] in its profile, with "
            "type and memory, or with link, memory, bandwidth and update_rate"
        )
    return host


@lru_cache(maxsize=1024)
def unwired(cluster: Cluster) -> Cluster:
    """The cluster with a switch that blocks nothing in place of links one by one; a torus stays one."""
    if all(_is_plain(level) for level in cluster.levels):
        return cluster
    levels = tuple(
        level if _is_plain(level) else replace(level, wiring=None, topology="bus" if level.size else "switch")
        for level in cluster.levels
    )
    return replace(cluster, node=replace(cluster.node, levels=levels))


def _is_plain(level: Level) -> bool:
    return level.wiring is None or isinstance(level.wiring, Torus)
