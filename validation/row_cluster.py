"""The cluster of a published row: a registered node type, cut to the devices the run used.

Runs smaller than a node use part of it, and tables print machines with fewer devices per node than the
registered type has; both give a variant of the node type whose innermost level has that many devices.
"""

from dataclasses import replace
from functools import cache

from hardware.profiles import load_device, load_node

from hardware.cluster import Cluster, NodeType
from hardware.errors import HardwareError
from validation.errors import RowSkippedError
from validation.published_rows import PublishedRow
from validation.row_cells import optional_count, required_count
from validation.row_devices import device_name, node_name

_MACHINE_COLUMNS = ("source", "source_item", "intra_node", "inter_node", "notes")


def row_cluster(row: PublishedRow) -> Cluster:
    """The cluster a row ran on; equal machines share one object.

    Raises:
        RowSkippedError: no profile for its device or machine, or the devices do not fill whole nodes.
    """
    device = device_name(row["device"])
    machine = " | ".join(row[column].lower() for column in _MACHINE_COLUMNS)
    devices = required_count(row, "n_devices")
    node = sized_node(node_name(device, machine), device, devices, optional_count(row, "devices_per_node"))
    if devices % node.devices:
        raise RowSkippedError(f"{devices} devices do not fill nodes of {node.devices}")
    return _cluster(node, devices // node.devices)


@cache
def sized_node(name: str, device: str, devices: int, per_node: int | None) -> NodeType:
    """A registered node type with the row's device and as many devices as one node of the run holds.

    Args:
        name: registered node type.
        device: registered device.
        devices: of the whole run.
        per_node: printed devices per node, None where blank.

    Raises:
        RowSkippedError: no such profile.
    """
    try:
        node, profile = load_node(name), load_device(device)
    except HardwareError as error:
        raise RowSkippedError(f"machine without a profile: {error}") from None
    size = domain_size(devices, per_node or node.devices)
    if size == node.devices and profile.name == node.device.name:
        return node
    return resized_node(node if profile.name == node.device.name else replace(node, device=profile), size)


def domain_size(devices: int, full: int) -> int:
    """Devices of one node of a run: a full node, or the largest equal share that fits in one.

    A run of 256 devices on 72-device domains uses 64 of each, as published runs on such racks do.
    """
    if devices <= full:
        return devices
    return next(size for size in range(full, 0, -1) if devices % size == 0)


def resized_node(node: NodeType, size: int) -> NodeType:
    """The node type with ``size`` devices on its innermost level."""
    levels = (replace(node.levels[0], size=size), *node.levels[1:])
    return replace(node, name=f"{node.name}[{size}]", levels=levels)


@cache
def _cluster(node: NodeType, count: int) -> Cluster:
    return Cluster(node=node, count=count)
