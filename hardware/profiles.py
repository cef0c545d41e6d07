"""Registered hardware: devices, links and node types by name, and clusters as ``NODE:COUNT`` or from a file.

Profiles live in ``hardware/data/{devices,links,hosts,clusters}/NAME.toml``; adding one means adding one file.
Each is read once per process, so that equal names give the same object.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, get_args

from hardware.cluster import (
    DEVICES,
    Cluster,
    Level,
    MeasuredCollective,
    NodeType,
    Steadiness,
    part_of_node,
)
from hardware.component_profiles import device_at, inherit_base, link_at, parse_device, parse_link
from hardware.device import Device
from hardware.errors import HardwareError, ProfileError, UnknownNameError
from hardware.host import Host, hosts_of
from hardware.link import Link
from hardware.machine_types import machine_type
from hardware.profile_files import load_text, profile_names, registered_name
from hardware.profile_reader import ProfileReader
from hardware.topology import LevelTopology
from hardware.wiring_reader import wiring_at
from readers.errors import InputError
from readers.whole import read_text

COUNT = re.compile(r"(?P<number>[0-9]+)(?P<unit>(?:gpu|device|chip)s?)?")
DIGITS = 30  # of a count; Python reads no number of thousands of them
SOFTWARE = ("step_overhead", "variable_overhead", "shard_call")
"""Fields of a software stack that are measured beside a device."""
OPERATIONS = ("all_reduce", "all_gather", "reduce_scatter")
"""Collectives that are measured between the devices of a node."""
Part = TypeVar("Part", Device, Link)


def device_names() -> tuple[str, ...]:
    """Names of all registered devices, sorted."""
    return profile_names("devices")


def link_names() -> tuple[str, ...]:
    """Names of all registered links, sorted."""
    return profile_names("links")


def node_names() -> tuple[str, ...]:
    """Names of all registered node and pod types, sorted."""
    return profile_names("clusters")


@lru_cache(maxsize=256)
def load_device(name: str) -> Device:
    """The registered device of this name.

    Raises:
        UnknownNameError: no such device; suggests the nearest.
        ProfileError: its file breaks a rule.
    """
    if (known := registered_name("devices", name)) != name:
        return load_device(known)
    return parse_device(load_text("devices", name), name, f"devices/{name}.toml")


@lru_cache(maxsize=256)
def load_link(name: str) -> Link:
    """The registered link of this name.

    Raises:
        UnknownNameError: no such link; suggests the nearest.
        ProfileError: its file breaks a rule.
    """
    if (known := registered_name("links", name)) != name:
        return load_link(known)
    return parse_link(load_text("links", name), name, f"links/{name}.toml")


@lru_cache(maxsize=256)
def load_node(name: str) -> NodeType:
    """The registered node or pod type of this name, or what a cloud provider's machine is of one.

    Raises:
        UnknownNameError: no such node type; suggests the nearest.
        ProfileError: its file breaks a rule.
    """
    if (known := registered_name("clusters", name)) != name:
        return load_node(known)
    meant = machine_type(name) if name not in node_names() else None
    if meant:
        node, devices = load_node(meant[0]), meant[1]
        return part_of_node(node, devices) if devices else node
    return parse_node(load_text("clusters", name), name, f"clusters/{name}.toml")


@lru_cache(maxsize=1024)
def load_mixed_cluster(text: str) -> Cluster:
    """A cluster as :func:`load_cluster` reads it, or several with commas between them: one mixed cluster.

    ``dgx-a100:2,dgx-h100:2`` has the ranks of two DGX A100 first, then those of two DGX H100.

    Raises:
        HardwareError, UnknownNameError, ProfileError: as there; or nodes with unlike numbers of devices.
    """
    first, *more = (load_cluster(part.strip()) for part in text.split(","))
    return replace(first, more=tuple(more)) if more else first


@lru_cache(maxsize=1024)
def load_cluster(text: str) -> Cluster:
    """A cluster from ``NODE:COUNT`` (``dgx-a100:128``), ``NODE:Ngpus``, a node type alone, or a TOML file.

    ``dgx-a100:4gpus`` is part of one node, ``dgx-a100:16gpus`` two nodes; a node type alone is one node. What
    a cloud provider calls a machine (``p3.16xlarge:2``) is the node type that it is, or part of one. A file
    has the keys of a registered node type, or a ``base`` and what differs from it, and may add ``count``,
    which ``FILE.toml:COUNT`` overrides. Where its keys name a device or a link, it may have a table instead,
    again the profile itself or a ``base`` and what differs.

    Raises:
        HardwareError: a count that is not a positive whole number, devices that are not whole nodes, or
            a file that cannot be read.
        UnknownNameError: no such node type.
        ProfileError: the file breaks a rule.
    """
    if "," in text:
        raise HardwareError(
            f"cluster {text!r}: found {text.count(',') + 1} node types; expected one here (`simdl plan` and "
            "`simdl simulate` take mixed clusters)"
        )
    if text.endswith(".toml"):
        return _cluster_file(Path(text))
    name, colon, count = text.rpartition(":") if ".toml:" in text else text.partition(":")
    found = COUNT.fullmatch(count) if colon else None
    if colon and not (found and found["number"].strip("0")):
        raise HardwareError(
            f"cluster {text!r}: found count {count!r}; expected NODE:COUNT such as dgx-a100:128, or part of "
            "a node such as dgx-a100:4gpus"
        )
    if len(count) > DIGITS:
        raise HardwareError(
            f"cluster {name}: found a count of {len(count)} digits; expected at most {DEVICES:,}"
        )
    node = _cluster_file(Path(name)).node if name.endswith(".toml") else load_node(name)
    asked = int(found["number"]) if found else 1
    if node.whole and asked > (node.devices if found and found["unit"] else 1):
        raise HardwareError(
            f"cluster {text!r}: found more than one machine of {node.devices} devices, which are part of a "
            f"node (of {node.name}, {node.whole}); expected one, or a file that describes the links between "
            "them"
        )
    if found and found["unit"]:
        return _devices_of(node, asked)
    return Cluster(node=node, count=asked)


def _devices_of(node: NodeType, devices: int) -> Cluster:
    """So many devices: part of one node, or whole nodes."""
    if devices <= node.devices:
        return Cluster(node=part_of_node(node, devices), count=1)
    nodes, rest = divmod(devices, node.devices)
    if rest:
        raise HardwareError(
            f"cluster {node.name}: found {devices} devices; expected at most the {node.devices} of a node, "
            f"or a multiple of them such as {nodes * node.devices} or {(nodes + 1) * node.devices}"
        )
    return Cluster(node=node, count=nodes)


def _cluster_file(path: Path) -> Cluster:
    try:
        text = read_text(path, "a cluster file")
    except InputError as error:
        raise HardwareError(str(error)) from None
    reader = ProfileReader(text, str(path))
    count = reader.data.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        reader.fault("count", f"found {count!r}; expected a whole number of nodes, at least 1")
    reader.allow("count")
    return Cluster(node=_node(reader, path.stem), count=count)


def parse_node(text: str, name: str, place: str) -> NodeType:
    """A node or pod type from the text of its profile.

    Raises:
        ProfileError: the profile breaks one or more rules.
    """
    return _node(ProfileReader(text, place), name)


def _node(reader: ProfileReader, name: str) -> NodeType:
    inherit_base(reader, "", "clusters", parse_node)
    description = reader.text("description")
    device = _part(reader, "device", load_device, device_at)
    count = reader.tables("levels")
    if count < 2:
        reader.fault("levels", f"found {count}; expected at least two, the last joining nodes (size 0)")
    library = reader.text("library", default="")
    host_power = reader.number("host_power", "power", default=0.0)
    measured_on = {key: reader.text(f"measured_on.{key}") for key in reader.keys("measured_on")}
    levels = tuple(_level(reader, f"levels.{index}", last=index == count - 1) for index in range(count))
    host = _host(reader, levels[0].size if levels else 0)
    software = {key: reader.number(f"software.{key}", "time") for key in reader.keys("software")}
    collectives = {
        key: MeasuredCollective(
            latency=reader.number(f"collectives.{key}.latency", "time"),
            bandwidth=reader.number(f"collectives.{key}.bandwidth", "bandwidth"),
        )
        for key in reader.keys("collectives")
    }
    for table, found, known in (("software", software, SOFTWARE), ("collectives", collectives, OPERATIONS)):
        for key in found:
            if key not in known:
                reader.fault(f"{table}.{key}", f"unknown; expected one of {', '.join(known)}")
    steadiness = _steadiness(reader)
    numbers = reader.finish()
    parts = ("device.", "host.", *(f"levels.{index}.link." for index in range(count)))
    own = tuple(number for number in numbers if not number.path.startswith(parts))
    assert device is not None  # noqa: S101 - finish() raises otherwise
    return NodeType(
        name=name,
        description=description,
        device=device,
        levels=levels,
        measured_on=measured_on,
        numbers=own,
        host_power=host_power,
        host=host,
        library=library,
        software=software,
        collectives=collectives,
        steadiness=steadiness,
    )


def _steadiness(reader: ProfileReader) -> Steadiness | None:
    """How steady the machine was while it was calibrated, where the profile says it."""
    if not reader.has("steadiness"):
        return None
    return Steadiness(
        drift=reader.number("steadiness.drift", "number"),
        pace=reader.number("steadiness.pace", "time", default=0.0),
    )


def _host(reader: ProfileReader, devices: int) -> Host | None:
    """The host of a node of so many devices: a registered kind, or a table with the keys of one, or none."""
    if not reader.has("host"):
        return None
    name = reader.text("host.type", default="host")
    if reader.has("host.type"):
        try:
            reader.inherit("host.", ProfileReader(load_text("hosts", name), f"hosts/{name}.toml"))
        except UnknownNameError as error:
            reader.fault("host.type", str(error))
            return None
    link = _part(reader, "host.link", load_link, link_at)
    description = reader.text("host.description", default="")
    numbers = {
        "devices_per_link": reader.number("host.devices_per_link", "ratio", default=1.0),
        "memory": reader.number("host.memory", "bytes"),
        "bandwidth": reader.number("host.bandwidth", "bandwidth"),
        "update_rate": reader.number("host.update_rate", "bandwidth"),
        "storage": reader.number("host.storage", "bandwidth", default=0.0),
    }
    cores = int(reader.number("host.cores", "count", default=0))
    served = int(reader.number("host.devices", "count", default=0))
    shared = int(numbers["devices_per_link"])
    if shared != numbers["devices_per_link"] or shared < 1:
        reader.fault("host.devices_per_link", f"found {numbers['devices_per_link']:g}; expected 1, 2 or so")
    found = reader.numbers_under("host.")
    own = tuple(number for number in found if not number.path.startswith("link."))
    values = {**numbers, "devices_per_link": max(1, shared), "cores": cores}
    host = Host(name=name, link=link, devices=served, description=description, numbers=own, **values)  # type: ignore[arg-type] # finish() raises
    return hosts_of(host, devices, 1)


def _level(reader: ProfileReader, path: str, *, last: bool) -> Level:
    topology = reader.text(f"{path}.topology")
    if topology and topology not in get_args(LevelTopology):
        expected = ", ".join(get_args(LevelTopology))
        reader.fault(f"{path}.topology", f"found {topology!r}; expected one of {expected}")
    size = int(reader.number(f"{path}.size", "count"))
    if not reader.is_faulty(f"{path}.size") and last != (size == 0):
        expected = "0 for the last level (all nodes)" if last else "at least 1"
        reader.fault(f"{path}.size", f"found {size}; expected {expected}")
    ports = reader.number(f"{path}.ports", "ratio")

    def load(place: str) -> Link | None:
        return _part(reader, place, load_link, link_at)

    return Level(
        name=reader.text(f"{path}.name"),
        link=_part(reader, f"{path}.link", load_link, link_at),  # type: ignore[arg-type] # finish() raises
        ports=ports,
        size=size,
        topology=topology,  # type: ignore[arg-type] # a fault otherwise
        wiring=wiring_at(reader, path, topology, size=size, ports=ports, load=load),
    )


def _part(
    reader: ProfileReader,
    path: str,
    load: Callable[[str], Part],
    build: Callable[[ProfileReader, str, str], Part],
) -> Part | None:
    """A device or link: registered, or written out as a table under its own name or that of its base."""
    if isinstance(reader.data_at(path), Mapping):
        default = reader.text(f"{path}.base", default=path)
        return build(reader, reader.text(f"{path}.name", default=default), f"{path}.")
    name = reader.text(path)
    try:
        return load(name) if name else None
    except (UnknownNameError, ProfileError) as error:
        reader.fault(path, str(error))
        return None
