"""From the columns of a sweep row to the cluster it ran on: text patterns in files of rules.

``gpu`` names the device and sometimes the instance; ``intra_node`` and ``inter_node`` say in words what
joins the devices. What the text leaves open (network ports, generation of NVLink) comes from
``generations.toml``, and the row carries a warning. A fabric that the text does not name is never guessed:
the row is skipped.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from hardware.cluster import Cluster, Level, NodeType
from hardware.profiles import load_device, load_link
from validation.errors import RowSkippedError
from validation.judging.rules import first_match, load_rules
from validation.sweeps.machines import Fabric, Generation, Inside, Instance, Ports
from validation.sweeps.rows import SweepRow, leading_count

PRODUCT = re.compile(r"DGX|\bND|\bHGX|\bNC ?A|GB[23]00|NVL72", re.IGNORECASE)
"""Systems whose datasheet says which cards they have."""
RATES = {"EDR": 100, "HDR": 200, "NDR": 400}
"""[Gbit/s] of a port by the generation of its InfiniBand."""
NAMED_RATE = re.compile("|".join(RATES), re.IGNORECASE)
CARD = re.compile(r"[EHNFX]DR|\d+ ?G|Omni|OPA|TCPX|EFA|ConnectX", re.IGNORECASE)
"""Texts that name the card, if not how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What joins nodes: link and ports per node."""

    link: str
    ports: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The machine of a row and what was assumed about it.

    Attributes:
        device: profile of the device.
        library: collective library usual on the device.
        ranks, nodes: of the run.
        inside: joins the devices of a node; None with one device per node.
        outside: joins the nodes; None on one node.
        warnings: what the text left open.
    """

    device: str
    library: str
    ranks: int
    nodes: int
    inside: Inside | None
    outside: Outside | None
    warnings: tuple[str, ...]


def generation_of(text: str) -> Generation:
    """The usual machine of the device that a text names.

    Raises:
        RowSkippedError: no pattern of the table matches.
    """
    found = first_match(load_rules("sweeps/generations.toml", Generation), text)
    if found is None:
        raise RowSkippedError(f"gpu: {text!r} names no device of the machine table")
    return found


def _nvlink(generation: int, topology: str) -> str:
    """Link of an NVLink generation; its switch is one generation younger."""
    return f"nvswitch{generation - 1}" if topology == "switch" else f"nvlink{generation}"


def inside_of(text: str, generation: Generation, per_node: int) -> tuple[Inside | None, str]:
    """What joins the devices of a node, and a warning if the text left it open.

    Raises:
        RowSkippedError: the text says that nothing does although several devices share a node.
    """
    if per_node == 1:
        return None, ""
    usual = generation.inside
    pcie = re.search(r"PCIe\s*(?:Gen\s*)?(\d)", text, re.IGNORECASE)
    if pcie and "NVLink" not in text.replace("no NVLink", ""):
        return replace(usual, link=f"pcie{pcie[1]}-x16", ports=1, topology="bus"), ""
    if re.fullmatch(r"none", text, re.IGNORECASE):
        raise RowSkippedError(f"intra_node: 'none' with {per_node} devices per node")
    if re.search(r"cube mesh", text, re.IGNORECASE):
        usual = replace(usual, topology="mesh")
    if found := re.search(r"NVSwitch.*\((\d+) GPU", text, re.IGNORECASE):
        usual = replace(usual, devices=int(found[1]))
    if found := re.search(r"NVLink\s*(\d)", text, re.IGNORECASE):
        usual = replace(usual, link=_nvlink(int(found[1]), usual.topology))
    if re.search(r"NVLink|NVSwitch|Infinity Fabric|xGMI", text, re.IGNORECASE):
        if generation.inside.link.startswith("pcie"):
            raise RowSkippedError(
                f"intra_node: {text!r}: the links of a bridge between {generation.device} are not told"
            )
        return usual, ""
    return usual, f"intra_node {text!r} names no link: assumed {usual.link}"


def printed_ports(text: str) -> Ports | None:
    """Ports that a text prints, such as ``8x HDR200`` or ``Omni-Path 100``; None if it prints none.

    A total in Tbit/s is taken for ports of 200 Gbit/s.
    """
    if found := re.search(r"(\d+)\s*[x×]\s*[A-Za-z]*(?:-\d+)?\s*(\d+)", text):
        return Ports(count=int(found[1]), rate=int(found[2]))
    if found := re.search(r"([\d.]+)\s*Tb", text):
        return Ports(count=float(found[1]) * 5, rate=200)
    if found := re.search(r"(?:^|\D)(10|25|40|50|100|200|400)\s*(?:G|$)", text):
        return Ports(count=1, rate=int(found[1]))
    return None


def _links_of_fabric(text: str) -> Mapping[int, str]:
    fabric = first_match(load_rules("sweeps/fabrics.toml", Fabric), text)
    if fabric is None:
        raise RowSkippedError(f"inter_node: {text!r} names no fabric")
    return fabric.links


def _instance_ports(row: SweepRow) -> Ports | None:
    instances = load_rules("sweeps/instances.toml", Instance)
    found = first_match(instances, f"{row['gpu']} {row['inter_node']}")
    return None if found is None else found.ports


def outside_of(row: SweepRow, generation: Generation, per_node: int) -> tuple[Outside, str]:
    """What joins the nodes, and a warning if the text left the ports open.

    A run on part of a node's devices uses the ports next to these, but at least one.

    Raises:
        RowSkippedError: the text names no fabric, or a port rate the fabric does not come in, or neither it
            nor the device's text tells the network card.
    """
    text = row["inter_node"]
    links = _links_of_fabric(text)
    ports = _instance_ports(row) or printed_ports(text)
    warning = ""
    if ports is None:
        if not (PRODUCT.search(row["gpu"]) or CARD.search(text)):
            raise RowSkippedError(f"inter_node: {text!r} does not state the network card")
        named = NAMED_RATE.search(text)
        rate = RATES[named[0].upper()] if named else generation.ports.rate
        ports = replace(generation.ports, rate=rate)
        warning = f"inter_node {text!r} states no ports: assumed {ports.count:g} of {ports.rate} Gbit/s"
    if ports.rate not in links:
        raise RowSkippedError(f"inter_node: {text!r}: no link at {ports.rate} Gbit/s; known {sorted(links)}")
    used = min(1.0, per_node / generation.inside.devices)
    return Outside(link=ports.link or links[ports.rate], ports=max(1.0, ports.count * used)), warning


def _refuse_untold_transport(row: SweepRow) -> None:
    """Refuse rows that do not tell how data travel.

    Raises:
        RowSkippedError: peers have no access to each other, or the network card is not stated.
    """
    for column in ("intra_node", "algo_note"):
        if re.search(r"no (peer|P2P)|P2P[ _]?(is )?(disabled?|off)", row[column], re.IGNORECASE):
            raise RowSkippedError(
                f"{column}: {row[column]!r}: without peer access data cross host memory, "
                "and the row does not tell how"
            )
    if re.search(
        r"NIC type not|NIC not stated|card not stated|unknown NIC", row["inter_node"], re.IGNORECASE
    ):
        raise RowSkippedError(f"inter_node: {row['inter_node']!r} does not state the network card")


def conditions_of(row: SweepRow) -> Conditions:
    """The machine that a row ran on.

    Raises:
        RowSkippedError: with the cell that cannot be placed.
    """
    _refuse_untold_transport(row)
    generation = generation_of(row["gpu"])
    ranks, nodes = leading_count(row, "ranks"), leading_count(row, "nodes")
    if ranks % nodes:
        raise RowSkippedError(f"ranks: {ranks} do not divide into {nodes} nodes")
    inside, inside_warning = inside_of(row["intra_node"], generation, ranks // nodes)
    outside, outside_warning = outside_of(row, generation, ranks // nodes) if nodes > 1 else (None, "")
    return Conditions(
        device=generation.device,
        library=generation.library,
        ranks=ranks,
        nodes=nodes,
        inside=inside,
        outside=outside,
        warnings=tuple(warning for warning in (inside_warning, outside_warning) if warning),
    )


@lru_cache(maxsize=256)
def build_cluster(conditions: Conditions) -> Cluster:
    """A cluster of full nodes with these links; ranks occupy the first devices of every node.

    On several nodes, a node is built with as many devices as it has ranks, which then share the ports in use.
    """
    per_node = conditions.ranks // conditions.nodes
    inside = conditions.inside or Inside(link="pcie3-x16", ports=1)
    outside = conditions.outside or Outside(link="infiniband-hdr", ports=1)
    size = max(per_node, inside.devices) if conditions.nodes == 1 else per_node
    levels = (
        Level(
            name="node", link=load_link(inside.link), ports=inside.ports, size=size, topology=inside.topology
        ),
        Level(name="network", link=load_link(outside.link), ports=outside.ports, size=0, topology="switch"),
    )
    node = NodeType(
        name="sweep", description="built from a row", device=load_device(conditions.device), levels=levels
    )
    return Cluster(node=node, count=conditions.nodes)
