"""Which registered device profile has the peaks of a GPU, by the name its driver reports."""

import re
from collections.abc import Sequence

NAMES: Sequence[tuple[str, str]] = (
    (r"H200", "h200"),
    (r"GB200", "gb200"),
    (r"GB300", "gb300"),
    (r"B200", "b200"),
    (r"H100 PCIe", "h100-pcie-80gb"),
    (r"H100 80GB HBM3", "h100-sxm-80gb"),
    (r"A100.*SXM.*80GB", "a100-sxm-80gb"),
    (r"A100.*SXM.*40GB", "a100-sxm-40gb"),
    (r"A100.*80GB PCIe", "a100-pcie-80gb"),
    (r"A100.*PCI.*40GB", "a100-pcie-40gb"),
    (r"A40\b", "a40"),
    (r"V100-SXM2-16GB", "v100-sxm2-16gb"),
    (r"V100-SXM2-32GB", "v100-sxm2-32gb"),
    (r"V100-SXM3-32GB", "v100-sxm3-32gb"),
    (r"V100-PCIE-16GB", "v100-pcie-16gb"),
    (r"V100-PCIE-32GB", "v100-pcie-32gb"),
    (r"P100-SXM2", "p100-sxm"),
    (r"P100-PCIE", "p100-pcie"),
    (r"\bP40\b", "p40"),
    (r"\bP4\b", "p4"),
    (r"\bT4\b", "t4"),
    (r"M40", "m40"),
    (r"K80", "k80"),
)
"""Pattern of the driver's name, most special first, and the registered device."""


def registered_name(name: str) -> str:
    """Name of the registered device; empty where none is known to have these peaks.

    >>> registered_name("NVIDIA H100 80GB HBM3")
    'h100-sxm-80gb'
    """
    return next((device for pattern, device in NAMES if re.search(pattern, name)), "")
