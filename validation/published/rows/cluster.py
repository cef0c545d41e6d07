"""The cluster of a published row: a registered node type, cut to the devices the run used.

Runs smaller than a node use part of it, tables print machines with fewer devices per node or fewer network
ports than the registered type has: each gives a variant of the node type. Network ports shrink with the
devices (nodes have a port per device or share them), but never below one.
"""

import re
from dataclasses import dataclass, replace
from functools import cache

from hardware.cluster import Cluster, Level, NodeType, host_of_part, resized_level
from hardware.errors import HardwareError
from hardware.profiles import load_device, load_link, load_node
from validation.errors import RowSkippedError
from validation.judging.rules import first_match, load_rules
from validation.published.rows.cells import optional_count, optional_measurement, required_count
from validation.published.rows.machines import Machine, device_name, machine_of
from validation.published.tables import PublishedRow
from validation.sweeps.machines import Fabric

_MACHINE_COLUMNS = ("device", "source", "source_item", "intra_node", "inter_node", "notes")
# Devices that one NVLink bridge joins, the generation of its links, and how many it has (NVIDIA datasheets:
# 112.5 GB/s both ways on RTX A6000, A40 and RTX 3090; 600 GB/s on A100 and H100 PCIe; 100 GB/s on Turing).
_BRIDGED = 2
_BRIDGES = {"turing": "nvlink2", "ampere": "nvlink3", "hopper": "nvlink4"}
_BRIDGE_LINKS = {
    "a100-pcie-40gb": 12,
    "a100-pcie-80gb": 12,
    "h100-pcie-80gb": 12,
    "h100-nvl": 12,
    "h200-nvl": 18,
    "rtx-a5000": 2,
    "rtx-3090": 2,
    "rtx-a6000": 2,
    "a40": 2,
}
# Devices that meet in the host's memory: by what a row says, or because its scripts set NCCL_P2P_DISABLE, as
# those of Lambda's table do (pytorch/scripts/benchmark_pytorch.sh of lambdal/deeplearning-benchmark).
_NO_PEERS = re.compile(
    r"no (?:peer|p2p)[- ]?(?:to[- ]peer)?|p2p[ _]?(?:is )?(?:disabled|off)|"
    r"\blambdal\b|pytorch-train-throughput-fp(?:16|32)",
    re.IGNORECASE,
)
_ETHERNET = re.compile(
    r"(\d+) ?(?:GbE|G(?:b(?:it)?)?(?:/s|ps)? (?:Ethernet|TCP))(?!.*infiniband)", re.IGNORECASE
)
# More devices than this on the innermost level are a rack or a slice: ``devices_per_node`` does not bound
# them.
_LARGEST_MACHINE = 16


def row_cluster(row: PublishedRow) -> Cluster:
    """The cluster a row ran on; equal machines share one object.

    Raises:
        RowSkippedError: no profile for its device or machine, or the devices do not fill whole nodes.
    """
    _check_bridges(row)
    device = device_name(_with_memory(row))
    said = " | ".join(row[column] for column in _MACHINE_COLUMNS)
    machine = machine_of(device, said)
    devices = required_count(row, "n_devices")
    try:
        node = _node(machine, device, printed_network(row["inter_node"]))
    except HardwareError as error:
        raise RowSkippedError(f"machine without a profile: {error}") from None
    node = _through_host(node) if _NO_PEERS.search(said) else _bridged(node, row["intra_node"])
    full = node.devices
    if full <= _LARGEST_MACHINE:
        full = optional_count(row, "devices_per_node") or full
    size = domain_size(devices, full)
    return _cluster(resized_node(node, size), devices // size)


def _with_memory(row: PublishedRow) -> str:
    """The device in words, with the memory of its own column where the words leave it out (A100 of 40 GB)."""
    text, column = row["device"], "device_memory_gib"
    memory = optional_measurement(row, column) if column in row.cells else None
    if memory is None or re.search(r"\d ?GB", text, re.IGNORECASE):
        return text
    return f"{text} {memory:.0f}GB"


def _check_bridges(row: PublishedRow) -> None:
    """Refuse bridges that no profile models.

    Raises:
        RowSkippedError: bridges between more than two devices.
    """
    text, devices = f"{row['intra_node']} | {row['notes']}", required_count(row, "n_devices")
    if devices > _BRIDGED and re.search(r"nvlink[- ]?bridge", text, re.IGNORECASE):
        raise RowSkippedError(
            f"NVLink bridges join {_BRIDGED} devices each; {devices} of them are not modelled"
        )


@cache
def _through_host(node: NodeType) -> NodeType:
    """The node with all that its devices send each other written to the host's memory and read from there."""
    inner, *outer = node.levels
    host = replace(inner, link=load_link("host-memory"), ports=1, topology="bus", wiring=None)
    return replace(node, levels=(host, *outer))


def _bridged(node: NodeType, text: str) -> NodeType:
    """A node of two devices with an NVLink bridge between them."""
    inner, *outer = node.levels
    generation = next((n for kind, n in _BRIDGES.items() if node.device.generation == kind), "")
    if not re.search(r"nvlink[- ]?bridge", text, re.IGNORECASE) or not generation:
        return node
    link = replace(
        inner, link=load_link(generation), ports=_BRIDGE_LINKS.get(node.device.name, 4), size=_BRIDGED
    )
    return replace(node, levels=(link, *outer))


def domain_size(devices: int, full: int) -> int:
    """Devices of one node of a run: a full node, or the largest equal share that fits in one.

    A run of 256 devices on 72-device domains uses 64 of each, as published runs on such racks do.
    """
    return next(size for size in range(min(devices, full), 0, -1) if devices % size == 0)


@cache
def resized_node(node: NodeType, size: int) -> NodeType:
    """The node type with ``size`` devices on its innermost level."""
    if size == node.devices:
        return node
    share = size / node.devices
    inner, *outer = node.levels
    levels = (resized_level(inner, size), *(_narrowed(level, share) for level in outer))
    return replace(node, name=f"{node.name}[{size}]", levels=levels, host=host_of_part(node, size))


def _narrowed(level: Level, share: float) -> Level:
    return replace(level, ports=max(level.ports * share, min(level.ports, 1.0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What a row prints of the network of a node; blanks stay those of the node type.

    Attributes:
        ports: per node, 0 where the row prints none.
        link: registered link of a port, "" where its rate or kind is not printed.
        bandwidth: [bytes/s] of a node over all ports, 0 where the ports are printed or nothing is.
    """

    ports: int = 0
    link: str = ""
    bandwidth: float = 0.0


@cache
def printed_network(text: str) -> Network:
    """Network of a node in words: ``4x 100 Gb/s RoCE per node``, ``1x ... per node``, ``400 Gb/s per node``.

    Ethernet of one rate (``10GbE``, ``25 Gbps Ethernet``) is one port; ``100GbE InfiniBand`` says neither.

    Raises:
        RowSkippedError: ports of a fabric that has no link of this rate.
    """
    if total := re.match(r"(\d+) ?Gb/s per node", text):
        return Network(bandwidth=int(total[1]) * 1e9 / 8)
    if ethernet := _ETHERNET.match(text):
        return Network(ports=1, link=_registered_link(text, "Ethernet", int(ethernet[1])))
    ports = re.match(r"(\d+)x .*per node", text)
    if ports is None:
        return Network()
    printed = re.match(r"\d+x (\d+) ?Gb/s (.+) per node", text)
    if printed is None:
        return Network(ports=int(ports[1]))
    return Network(ports=int(ports[1]), link=_registered_link(text, printed[2], int(printed[1])))


def _registered_link(text: str, kind: str, rate: int) -> str:
    fabric = first_match(load_rules("sweeps/fabrics.toml", Fabric), kind)
    if fabric is None or rate not in fabric.links:
        raise RowSkippedError(f"inter_node {text!r} names no link that is registered")
    return fabric.links[rate]


@cache
def _node(machine: Machine, device: str, network: Network) -> NodeType:
    node, profile = load_node(machine.node), load_device(machine.board or device)
    if profile.name != node.device.name:
        node = replace(node, device=profile)
    *inner, outer = node.levels
    if machine.link:
        outer = replace(outer, link=load_link(machine.link), ports=machine.ports)
    if network.link:
        outer = replace(outer, link=load_link(network.link))
    if network.ports or network.bandwidth:
        outer = replace(outer, ports=network.ports or network.bandwidth / outer.link.bandwidth)
    return replace(node, levels=(*inner, outer))


@cache
def _cluster(node: NodeType, count: int) -> Cluster:
    return Cluster(node=node, count=count)
