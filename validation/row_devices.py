"""Which device and node type a published row ran on: two documented tables, first match wins.

The device follows from the ``device`` column. The node type gives the interconnect: from what the row says
about its machine (links, source, notes), else the usual node of that device. A node whose device differs
from the row's (such as a DGX A100 with 40 GB devices) is rebuilt around the row's device by
``validation.row_cluster``.
"""

import re
from functools import cache

from validation.errors import RowSkippedError

# Text of the device column -> device profile.
DEVICES: tuple[tuple[str, str], ...] = (
    (r"gb300", "gb300"),
    (r"gb200", "gb200"),
    (r"b200", "b200"),
    (r"h200", "h200"),
    (r"h100.*pcie", "h100-pcie"),
    (r"h100.*96 ?gb.*hbm2e", "h100-sxm-96gb-hbm2e"),
    (r"h100", "h100-sxm"),
    (r"a100.*pcie.*40|a100.*40.*pcie", "a100-pcie-40gb"),
    (r"a100.*pcie", "a100-pcie-80gb"),
    (r"a100.*40", "a100-sxm-40gb"),
    (r"a100", "a100-sxm-80gb"),
    (r"\ba40\b", "a40"),
    (r"v100.*pcie.*32|v100.*32.*pcie", "v100-pcie-32gb"),
    (r"v100.*pcie", "v100-pcie-16gb"),
    (r"v100.*32", "v100-sxm-32gb"),
    (r"v100", "v100-sxm-16gb"),
    (r"p100.*pcie", "p100-pcie"),
    (r"p100", "p100-sxm"),
    (r"\bp40\b", "p40"),
    (r"k80", "k80"),
    (r"\bt4\b", "t4"),
    (r"mi300", "mi300x"),
    (r"mi250", "mi250x"),
    (r"gaudi", "gaudi2"),
    (r"tpu.*v?5p", "tpu-v5p"),
    (r"tpu.*v?5", "tpu-v5e"),
    (r"tpu.*v?6", "tpu-v6e"),
    (r"tpu.*v?4", "tpu-v4"),
    (r"tpu.*v?3", "tpu-v3"),
    (r"tpu.*v?2", "tpu-v2"),
)

# (device profile, what the row says about its machine) -> node type. The machine text is
# "source | source_item | intra_node | inter_node | notes" in lower case.
NODES: tuple[tuple[str, str, str], ...] = (
    (r"^gb[23]00", r"", "gb200-nvl72"),
    (r"^b200", r"", "dgx-b200"),
    (r"^h200", r"", "dgx-h200"),
    (r"^h100", r"\befa\b|\bp5\b", "p5"),
    (r"^h100", r"", "dgx-h100"),
    (r"^a100", r"omni-path|jean zay|bigscience", "jean-zay-a100"),
    (r"^a100", r"\befa\b|\bp4d", "p4d"),
    (r"^a100", r"", "dgx-a100"),
    (r"^v100", r"dgx-2", "dgx-2"),
    (r"^v100", r"\befa\b|ec2|p3dn|p3\.16|aws", "p3dn"),
    (r"^v100", r"", "dgx-1-v100"),
    (r"^p100", r"", "dgx-1-p100"),
    (r"^p40", r"", "p40-roce"),
    (r"^k80", r"", "p2"),
    (r"^tpu-v2", r"", "tpu-v2"),
    (r"^tpu-v3", r"", "tpu-v3"),
    (r"^tpu-v4", r"", "tpu-v4"),
    (r"^tpu-v5e", r"", "tpu-v5e"),
    (r"^tpu-v5p", r"", "tpu-v5p"),
    (r"^tpu-v6e", r"", "tpu-v6e"),
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
def node_name(device: str, machine: str) -> str:
    """The node type of a device profile in a machine described by this text.

    Raises:
        RowSkippedError: no node type of the table carries the device.
    """
    for device_pattern, machine_pattern, node in NODES:
        if re.search(device_pattern, device) and re.search(machine_pattern, machine):
            return node
    raise RowSkippedError(f"device {device} has no node type")
