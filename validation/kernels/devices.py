"""Which device profile a kernel table means by the text of its device column."""

import re

from validation.errors import RowSkippedError

DEVICES = (
    (r"^nv_titanx$|titan x \(maxwell\)", "titan-x-maxwell"),
    (r"knl7250", "xeon-phi-7250"),
    (r"\bm40|_m40", "m40"),
    (r"mi100", "mi100"),
    (r"gaudi 2", "gaudi2"),
    (r"gb200", "gb200"),
    (r"\bb200", "b200"),
    (r"h200", "h200"),
    (r"h100.*pcie", "h100-pcie-80gb"),
    (r"h100", "h100-sxm-80gb"),
    (r"a100.*pcie.*40", "a100-pcie-40gb"),
    (r"a100.*pcie", "a100-pcie-80gb"),
    (r"a100.*40", "a100-sxm-40gb"),
    (r"a100", "a100-sxm-80gb"),
    (r"\ba40\b", "a40"),
    (r"v100-pcie-32gb", "v100-pcie-32gb"),
    (r"v100", "v100-sxm2-16gb"),
    (r"p100.*pcie", "p100-pcie"),
    (r"p100", "p100-sxm"),
    (r"\bt4\b", "t4"),
    (r"\bp4\b", "p4"),
)
"""Text of a table's device column to device profile; first match wins."""


def profile_name(text: str) -> str:
    """The profile of this text.

    Raises:
        RowSkippedError: no profile has it.
    """
    for pattern, name in DEVICES:
        if re.search(pattern, text.lower()):
            return name
    raise RowSkippedError(f"device {text!r} has no profile")
