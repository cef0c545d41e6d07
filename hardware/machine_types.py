"""What cloud providers call their machines: ``p3.16xlarge``, ``a2-highgpu-8g``, ``Standard_ND96isr_H100_v5``.

Names and the node types that they are stand in ``hardware/data/machine_types.toml``. A slice of TPUs is named
by its TensorCores up to v4 and v5p (two of a chip) and by its chips for v5e and v6e (cloud.google.com/tpu,
"TPU versions").
"""

import re
import tomllib
from functools import lru_cache
from importlib import resources
from typing import Any

FILE = resources.files("hardware") / "data" / "machine_types.toml"
SLICE = re.compile(r"(v[0-9][a-z]*)-([0-9]{1,6})")


def machine_type(typed: str) -> tuple[str, int] | None:
    """The node type of a provider's machine, and how many of its devices the machine has; 0 for all.

    None for a name of no listed machine.
    """
    name = typed.strip().lower().removeprefix("standard_")
    tables = _tables()
    meant = next((table[name] for key, table in tables.items() if key != "tpu" and name in table), None)
    if meant:
        node, _, part = meant.partition(":")
        return node, int(part.removesuffix("gpus") or 0)
    found = SLICE.fullmatch(name)
    kind = tables["tpu"].get(found[1]) if found else None
    if not (found and kind):
        return None
    return kind["slice"], max(1, int(found[2]) // kind["parts"])


def machine_names() -> tuple[str, ...]:
    """Names of all listed machines but slices of TPUs, sorted."""
    return tuple(sorted(name for key, table in _tables().items() if key != "tpu" for name in table))


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))
