"""Machines that sweep rows run on, as their files of rules say them: by device, cloud instance and fabric."""

from dataclasses import dataclass

from hardware.topology import LevelTopology
from validation.judging.rules import Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What joins the devices of a node: link, ports per device, topology, devices of a full node."""

    link: str
    ports: float
    topology: LevelTopology = "switch"
    devices: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Network ports of a node: how many, and [Gbit/s] of each."""

    count: float
    rate: int
    link: str = ""  # where the rate alone does not tell the generation of the link


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """Usual machine of a device: profile, what joins the devices of a node, network ports of a node.

    ``release`` is the NCCL of rows that state none: one of the years in which the device was the newest.
    """

    pattern: Pattern
    device: str
    inside: Inside
    ports: Ports
    library: str = "nccl"
    release: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """Network ports of a cloud instance."""

    pattern: Pattern
    ports: Ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabric:
    """Links of a fabric by the [Gbit/s] of a port."""

    pattern: Pattern
    links: dict[int, str]
