"""The host of a node: memory beside that of its devices, and what its cores do with it."""

from dataclasses import dataclass, replace

from hardware.citation import CitedNumber
from hardware.link import Link


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Host:
    """Processors and memory that the devices of one node share.

    Attributes:
        name: of the registered kind of host.
        description: of it, empty where the profile says none.
        link: what joins a device to it.
        devices_per_link: devices that share one such link, behind a switch.
        memory: [bytes] of one node.
        bandwidth: [bytes/s] of its memory, reads and writes together.
        update_rate: [bytes/s] that an optimizer on its cores reads and writes.
        cores: of its processors; 0 where the profile does not say.
        storage: [bytes/s] at which a node reads its data set; 0 where the profile does not say.
        devices: that one of several hosts of a node serves, as in a rack of superchips; 0 where one serves
            all of them. Its numbers are those of one host then, the other fields those of the node.
        numbers: every number as written, with its source.
    """

    name: str
    link: Link
    devices_per_link: int
    memory: float
    bandwidth: float
    update_rate: float
    cores: int = 0
    storage: float = 0.0
    devices: int = 0
    description: str = ""
    numbers: tuple[CitedNumber, ...] = ()

    def __repr__(self) -> str:
        return f"<Host {self.name}>"


def hosts_of(host: Host, devices: int, times: float) -> Host:
    """What a part of a node, or a node of several hosts, has of hosts.

    Args:
        host: as it stands in the profile, or of the whole node.
        devices: of the part; as many hosts as serve them.
        times: hosts that ``host`` stands for.
    """
    if not host.devices:
        return host
    share = -(-devices // host.devices) / times
    return replace(
        host,
        memory=host.memory * share,
        bandwidth=host.bandwidth * share,
        update_rate=host.update_rate * share,
        cores=round(host.cores * share),
        storage=host.storage * share,
    )
