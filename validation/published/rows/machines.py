"""Which device and node type a published row ran on, by ``devices.toml`` and ``machines.toml``.

The device follows from the ``device`` column. The node type gives the interconnect: from what the row says
about its machine (links, source, notes), else the usual node of that device. A node whose device differs from
the row's is rebuilt around the row's device by ``validation.published.rows.cluster``.
"""

import re
from dataclasses import dataclass, replace
from functools import cache

from validation.errors import RowSkippedError
from validation.judging.device_names import device_named
from validation.judging.rules import Pattern, first_match, load_rules
from validation.published.tables import PublishedRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A node type, with the network of the run where it is not the registered one.

    Attributes:
        device: found in the device profile's name.
        text: found in what a row says about its machine; None where anything is.
        node: registered node type.
        board: profile of the device that this machine carries, "" for what the device column names.
        link: registered link between nodes, "" for the node type's own.
        ports: of that link per node.
    """

    device: Pattern
    text: Pattern | None = None
    node: str
    board: str = ""
    link: str = ""
    ports: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnnamedDevice:
    """The device of rows of a source that names it elsewhere.

    Attributes:
        pattern: found in the source and its item.
        device: as a device cell would name it.
        why: where the source says so.
    """

    pattern: Pattern
    device: str
    why: str


# Slices of these generations are called by their TensorCores, two a chip (cloud.google.com/tpu/docs/v4).
_CORES = re.compile(r"\bv(?:[234]|5p)-(\d+)\b", re.IGNORECASE)


def with_device(row: PublishedRow) -> tuple[PublishedRow, tuple[str, ...]]:
    """The row with a device that its table leaves out, and what was assumed.

    Where a row counts the TensorCores of a TPU slice as devices, as the slice's name does, two are a chip.
    """
    if (slice_ := _CORES.search(row["device"])) and slice_[1] == row["n_devices"] and int(slice_[1]) > 1:
        batch = row["batch_per_device"]
        chips = {
            "n_devices": str(int(slice_[1]) // 2),
            "devices_per_node": "",
            "batch_per_device": str(2 * int(batch)) if batch.isdecimal() else batch,
        }
        return replace(row, cells={**row.cells, **chips}), (f"two TensorCores a chip of {row['device']}",)
    if row["device"]:
        return row, ()
    rules = load_rules("published/rows/unnamed_devices.toml", UnnamedDevice)
    found = first_match(rules, f"{row['source']} {row['source_item']}")
    if found is None:
        return row, ()
    return replace(row, cells={**row.cells, "device": found.device}), (f"device {found.device}: {found.why}",)


def device_name(text: str) -> str:
    """The device profile a ``device`` cell names.

    Raises:
        RowSkippedError: blank, or no device of the rules.
    """
    return device_named(text, "published/rows/devices.toml")


@cache
def machine_of(device: str, text: str) -> Machine:
    """The machine of a device profile that this text describes.

    Raises:
        RowSkippedError: no node type of the rules carries the device.
    """
    for machine in load_rules("published/rows/machines.toml", Machine):
        if machine.device.search(device) and (machine.text is None or machine.text.search(text)):
            return machine
    raise RowSkippedError(f"device {device} has no node type")
