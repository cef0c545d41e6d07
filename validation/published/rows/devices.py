"""Which device and node type a published row ran on: two documented tables, first match wins.

The device follows from the ``device`` column. The node type gives the interconnect: from what the row says
about its machine (links, source, notes), else the usual node of that device. A node whose device differs from
the row's is rebuilt around the row's device by ``validation.published.rows.cluster``.
"""

import re
from dataclasses import dataclass
from functools import cache

from validation.errors import RowSkippedError

# Text of the device column -> device profile.
DEVICES: tuple[tuple[str, str], ...] = (
    (r"gb300", "gb300"),
    (r"gb200", "gb200"),
    (r"b200", "b200"),
    (r"h200", "h200"),
    (r"h100.*pcie", "h100-pcie-80gb"),
    (r"h100.*96", "h100-sxm-96gb-hbm2e-500w"),
    (r"h100", "h100-sxm-80gb"),
    (r"a100.*pcie.*40|a100.*40.*pcie", "a100-pcie-40gb"),
    (r"a100.*pcie", "a100-pcie-80gb"),
    (r"a100.*40", "a100-sxm-40gb"),
    (r"a100", "a100-sxm-80gb"),
    (r"\ba40\b", "a40"),
    (r"v100.*pcie.*32|v100.*32.*pcie", "v100-pcie-32gb"),
    (r"v100.*pcie", "v100-pcie-16gb"),
    (r"v100.*sxm3", "v100-sxm3-32gb"),
    (r"v100.*32", "v100-sxm2-32gb"),
    (r"v100", "v100-sxm2-16gb"),
    (r"p100.*pcie", "p100-pcie"),
    (r"p100", "p100-sxm"),
    (r"\bp40\b", "p40"),
    (r"\bp4\b", "p4"),
    (r"k80", "k80"),
    (r"m40", "m40"),
    (r"titan ?x", "titan-x-maxwell"),
    (r"\bt4\b", "t4"),
    (r"mi300", "mi300x"),
    (r"mi250", "mi250x"),
    (r"mi100", "mi100"),
    (r"gaudi", "gaudi2"),
    (r"cs-1", "cs-1"),
    (r"tpu.*v?5p", "tpu-v5p"),
    (r"tpu.*v?5", "tpu-v5e"),
    (r"tpu.*v?6|trillium", "tpu-v6e"),
    (r"tpu.*v?4", "tpu-v4"),
    (r"tpu.*v?3", "tpu-v3"),
    (r"tpu.*v?2", "tpu-v2"),
    (r"knl|xeon phi", "xeon-phi-7250"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A node type, with the network of the run where it is not the registered one.

    Attributes:
        node: registered node type.
        device: profile of the board this machine carries, "" for what the device column names.
        link: registered link between nodes, "" for the node type's own.
        ports: of that link per node.
    """

    node: str
    device: str = ""
    link: str = ""
    ports: float = 0.0


_EC2_P3 = Machine(node="dgx-1-v100", link="ethernet-25g", ports=1)  # AWS p3.16xlarge: 25 Gbit/s

# (device profile, what the row says about its machine) -> machine. The machine text is
# "source | source_item | intra_node | inter_node | notes" in lower case.
MACHINES: tuple[tuple[str, str, Machine], ...] = (
    (r"^gb300", r"", Machine(node="gb300-nvl72")),
    (r"^gb200", r"", Machine(node="gb200-nvl72")),
    (r"^b200", r"", Machine(node="dgx-b200")),
    (r"^h200", r"", Machine(node="dgx-h200")),
    (r"^h100-pcie", r"", Machine(node="h100-pcie-node")),
    (r"^h100.*96gb", r"", Machine(node="h100-96gb-roce")),
    (r"^h100", r"\befa\b|\bp5\b", Machine(node="p5")),
    (r"^h100", r"azure", Machine(node="azure-nd-h100-v5")),
    (r"^h100", r"roce|torchtitan", Machine(node="h100-80gb-roce")),
    (r"^h100", r"", Machine(node="dgx-h100")),
    (r"^a100-pcie", r"", Machine(node="a100-pcie-node")),
    (r"^a100", r"omni-path|jean zay|bigscience", Machine(node="jean-zay-a100")),
    (r"^a100", r"torchtitan", Machine(node="a100-80gb-meta")),
    (r"^a100-sxm-40gb", r"\befa\b|\bp4d", Machine(node="p4d")),
    (r"^a100-sxm-80gb", r"\befa\b|\bp4d", Machine(node="p4de")),
    (r"^a100", r"azure", Machine(node="azure-nd-a100-v4")),
    (r"^a100-sxm-40gb", r"roce|mosaicml", Machine(node="a100-40gb-roce")),
    (r"^a100-sxm-80gb", r"roce|mosaicml", Machine(node="a100-80gb-roce")),
    (r"^a100-sxm-40gb", r"", Machine(node="dgx-a100-40gb")),
    (r"^a100-sxm-80gb", r"", Machine(node="dgx-a100")),
    (r"^a40", r"", Machine(node="a40-node")),
    (r"^v100-pcie", r"", Machine(node="v100-pcie-node")),
    (r"^v100-sxm3", r"dgx-2h", Machine(node="dgx-2h", device="v100-sxm3-32gb-450w")),
    (r"^v100-sxm3", r"", Machine(node="dgx-2")),
    (r"^v100-sxm2-32gb", r"\befa\b|ec2|aws|p3dn", Machine(node="p3dn")),
    (r"^v100-sxm2-32gb", r"", Machine(node="dgx-1-v100-32gb")),
    (r"^v100-sxm2-16gb", r"ec2|aws|p3\.16", _EC2_P3),
    (r"^v100-sxm2-16gb", r"", Machine(node="dgx-1-v100")),
    (r"^p100-pcie", r"", Machine(node="p100-pcie-node")),
    (r"^p100", r"", Machine(node="dgx-1-p100")),
    (r"^p40", r"", Machine(node="p40-roce100")),
    (r"^k80", r"ec2|aws", Machine(node="p2-k80")),
    (r"^k80", r"", Machine(node="k80-server")),
    (r"^t4", r"", Machine(node="g4dn")),
    (r"^mi300x", r"", Machine(node="mi300x-node")),
    (r"^mi250x", r"", Machine(node="mi250x-node")),
    (r"^mi100", r"", Machine(node="mi100-node")),
    (r"^gaudi2", r"", Machine(node="hls-gaudi2")),
    (r"^cs-1", r"", Machine(node="cs-1-node")),
    (r"^tpu-v2", r"", Machine(node="tpu-v2-slice")),
    (r"^tpu-v3", r"", Machine(node="tpu-v3-slice")),
    (r"^tpu-v4", r"", Machine(node="tpu-v4-slice")),
    (r"^tpu-v5e", r"", Machine(node="tpu-v5e-slice")),
    (r"^tpu-v5p", r"", Machine(node="tpu-v5p-slice")),
    (r"^tpu-v6e", r"", Machine(node="tpu-v6e-slice")),
    (r"^xeon-phi", r"", Machine(node="knl-node")),
)


@cache
def device_name(text: str) -> str:
    """The device profile a ``device`` cell names.

    Raises:
        RowSkippedError: blank, or no device of the table.
    """
    for pattern, name in DEVICES:
        if re.search(pattern, text.lower()):
            return name
    raise RowSkippedError(f"device {text!r} has no profile")


@cache
def machine_of(device: str, text: str) -> Machine:
    """The machine of a device profile that this text describes.

    Raises:
        RowSkippedError: no node type of the table carries the device.
    """
    for device_pattern, machine_pattern, machine in MACHINES:
        if re.search(device_pattern, device) and re.search(machine_pattern, text):
            return machine
    raise RowSkippedError(f"device {device} has no node type")
