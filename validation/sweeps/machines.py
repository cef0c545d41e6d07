"""Machines that sweep rows run on: usual node and network per device, instances, and fabrics by name.

Numbers of ports are those of the vendors' reference systems (DGX and HGX datasheets, cloud instance pages);
they apply where a row's own text is silent.
"""

from dataclasses import dataclass, replace

from hardware.cluster import LevelTopology


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
    """Usual machine of a device: profile, what joins the devices of a node, network ports of a node."""

    device: str
    inside: Inside
    ports: Ports
    library: str = "nccl"


PCIE3 = Inside(link="pcie3-x16", ports=1, topology="bus")
CUBE_MESH = Inside(link="nvlink2", ports=6, topology="mesh")
EDR4 = Ports(count=4, rate=100)
ONE_100G = Ports(count=1, rate=100)
HDR2 = Ports(count=2, rate=200)
HDR8 = Ports(count=8, rate=200)
NDR8 = Ports(count=8, rate=400)

# First match wins: instances and boards before bare device names.
GENERATIONS: tuple[tuple[str, Generation], ...] = (
    (
        r"SXM3|DGX-?2",
        Generation(
            device="v100-sxm3-32gb",
            inside=Inside(link="nvswitch1", ports=6, devices=16),
            ports=Ports(count=8, rate=100),
        ),
    ),
    (r"V100.*PCIe", Generation(device="v100-pcie-16gb", inside=PCIE3, ports=EDR4)),
    (r"V100", Generation(device="v100-sxm2-16gb", inside=CUBE_MESH, ports=EDR4)),
    (r"P100.*PCIe", Generation(device="p100-pcie", inside=PCIE3, ports=EDR4)),
    (
        r"P100",
        Generation(device="p100-sxm", inside=replace(CUBE_MESH, link="nvlink1", ports=4), ports=EDR4),
    ),
    (r"A100.*PCIe", Generation(device="a100-pcie-40gb", inside=replace(PCIE3, link="pcie4-x16"), ports=HDR8)),
    (r"A100|A800", Generation(device="a100-sxm-40gb", inside=Inside(link="nvswitch2", ports=12), ports=HDR8)),
    (
        r"H100.*PCIe",
        Generation(device="h100-pcie-80gb", inside=replace(PCIE3, link="pcie5-x16"), ports=NDR8),
    ),
    (r"H100|H800", Generation(device="h100-sxm-80gb", inside=Inside(link="nvswitch3", ports=18), ports=NDR8)),
    (r"H200", Generation(device="h200", inside=Inside(link="nvswitch3", ports=18), ports=NDR8)),
    (
        r"GB[23]00",
        Generation(
            device="gb200",
            inside=Inside(link="nvswitch4", ports=18, devices=72),
            ports=Ports(count=72, rate=400),
        ),
    ),
    (r"B[23]00", Generation(device="b200", inside=Inside(link="nvswitch4", ports=18), ports=NDR8)),
    (
        r"MI3\d\d|AMD 8-GPU node",
        Generation(
            device="mi300x",
            inside=Inside(link="xgmi3", ports=7, topology="mesh"),
            ports=NDR8,
            library="rccl",
        ),
    ),
    (r"\bA40\b", Generation(device="a40", inside=replace(PCIE3, link="pcie4-x16"), ports=HDR2)),
    (r"\bT4\b", Generation(device="t4", inside=PCIE3, ports=ONE_100G)),
    (r"\bP40\b", Generation(device="p40", inside=PCIE3, ports=ONE_100G)),
    (r"\bM40\b", Generation(device="m40", inside=PCIE3, ports=ONE_100G)),
    (r"Titan X \(Maxwell\)", Generation(device="titan-x-maxwell", inside=PCIE3, ports=ONE_100G)),
    (
        r"KNL|Xeon Phi",
        Generation(device="xeon-phi-7250", inside=PCIE3, ports=ONE_100G, library="mlsl"),
    ),
)

# Network ports of cloud instances, from the providers' pages; matched on gpu and inter_node together.
INSTANCES: tuple[tuple[str, Ports], ...] = (
    (r"p3dn", Ports(count=1, rate=100)),
    (r"p4de?\b", Ports(count=4, rate=100)),
    (r"p5en", Ports(count=16, rate=200)),
    (r"\bp5\b", Ports(count=32, rate=100, link="efa-v2-100g")),
    (r"A3 High", Ports(count=4, rate=200)),
    (r"A3 Mega", Ports(count=8, rate=200)),
    (r"A100.*(OCI|BM\.GPU)", Ports(count=16, rate=100)),
)

ROCE = {rate: f"roce-{rate}g" for rate in (10, 25, 40, 100, 200, 400)}
ETHERNET = {rate: f"ethernet-{rate}g" for rate in (10, 25, 40, 100, 200, 400)}
INFINIBAND = {100: "infiniband-edr", 200: "infiniband-hdr", 400: "infiniband-ndr"}

# Fabric by text, and its links by [Gbit/s] per port; matched on inter_node, first match wins.
FABRICS: tuple[tuple[str, dict[int, str]], ...] = (
    (r"TCPXO", {200: "gpudirect-tcpxo-200g"}),
    (r"TCPX", {200: "gpudirect-tcpx-200g"}),
    (r"EFA", {100: "efa-100g", 200: "efa-v3-200g"}),
    (r"RoCE|BlueField", ROCE),
    (r"InfiniBand|\bIB\b|EDR|HDR|NDR", INFINIBAND),
    (r"GbE|Ethernet|\bTCP\b|\bENA\b", ETHERNET),
    (r"Omni-?Path|OPA", {100: "omni-path-100"}),
)
