"""The host of a node: memory beside that of its devices, and what its cores do with it."""

from dataclasses import dataclass

from hardware.citation import CitedNumber
from hardware.link import Link


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Host:
    """Processors and memory that the devices of one node share.

    Attributes:
        name: of the registered kind of host.
        link: what joins a device to it.
        devices_per_link: devices that share one such link, behind a switch.
        memory: [bytes] of one node.
        bandwidth: [bytes/s] of its memory, reads and writes together.
        update_rate: [bytes/s] that an optimizer on its cores reads and writes.
        cores: of its processors; 0 where the profile does not say.
        storage: [bytes/s] at which a node reads its data set; 0 where the profile does not say.
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
    numbers: tuple[CitedNumber, ...] = ()
