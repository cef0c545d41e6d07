"""Registered hardware: devices, links and node types by name, and clusters as ``NODE:COUNT`` or from a file.

Profiles live in ``hardware/data/{devices,links,clusters}/NAME.toml``; adding one means adding one file. Each
is read once per process, so that equal names give the same object.
"""

from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from hardware.cluster import Cluster, Level, LevelTopology, NodeType
from hardware.device import Device
from hardware.efficiency import FAMILIES
from hardware.errors import HardwareError, ProfileError, UnknownNameError
from hardware.link import Link
from hardware.profile_reader import ProfileReader

DATA = resources.files("hardware") / "data"


def device_names() -> tuple[str, ...]:
    """Names of all registered devices, sorted."""
    return _names("devices")


def link_names() -> tuple[str, ...]:
    """Names of all registered links, sorted."""
    return _names("links")


def node_names() -> tuple[str, ...]:
    """Names of all registered node and pod types, sorted."""
    return _names("clusters")


@lru_cache(maxsize=256)
def load_device(name: str) -> Device:
    """The registered device of this name.

    Raises:
        UnknownNameError: no such device; suggests the nearest.
        ProfileError: its file breaks a rule.
    """
    return parse_device(_text("devices", "device", name), name, f"devices/{name}.toml")


@lru_cache(maxsize=256)
def load_link(name: str) -> Link:
    """The registered link of this name.

    Raises:
        UnknownNameError: no such link; suggests the nearest.
        ProfileError: its file breaks a rule.
    """
    return parse_link(_text("links", "link", name), name, f"links/{name}.toml")


@lru_cache(maxsize=256)
def load_node(name: str) -> NodeType:
    """The registered node or pod type of this name.

    Raises:
        UnknownNameError: no such node type; suggests the nearest.
        ProfileError: its file breaks a rule.
    """
    return parse_node(_text("clusters", "node type", name), name, f"clusters/{name}.toml")


@lru_cache(maxsize=1024)
def load_cluster(text: str) -> Cluster:
    """A cluster from ``NODE:COUNT`` (``dgx-a100:128``), a node type alone (one node), or a TOML file.

    A file has the keys of a registered node type and may add ``count``.

    Raises:
        HardwareError: a count that is not a positive whole number, or a file that cannot be read.
        UnknownNameError: no such node type.
        ProfileError: the file breaks a rule.
    """
    if text.endswith(".toml"):
        return _cluster_file(Path(text))
    name, colon, count = text.partition(":")
    if colon and not (count.isdecimal() and int(count) > 0):
        raise HardwareError(
            f"cluster {text!r}: found count {count!r}; expected NODE:COUNT such as dgx-a100:128"
        )
    return Cluster(node=load_node(name), count=int(count) if colon else 1)


def _cluster_file(path: Path) -> Cluster:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HardwareError(f"{path}: cannot be read: {error}; expected a cluster file") from None
    reader = ProfileReader(text, str(path))
    count = reader.data.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        reader.fault("count", f"found {count!r}; expected a whole number of nodes, at least 1")
    reader.allow("count")
    return Cluster(node=_node(reader, path.stem), count=count)


def parse_device(text: str, name: str, place: str) -> Device:
    """A device from the text of its profile.

    Raises:
        ProfileError: the profile breaks one or more rules.
    """
    reader = ProfileReader(text, place)
    values: dict[str, Any] = {
        "name": name,
        "description": reader.text("description"),
        "generation": reader.text("generation"),
        "memory_capacity": reader.number("memory.capacity", "bytes"),
        "memory_bandwidth": reader.number("memory.bandwidth", "bandwidth"),
        "cache": reader.number("compute.cache", "bytes"),
        "multiprocessors": int(reader.number("compute.multiprocessors", "count")),
        "vector_flop_rate": reader.number("compute.vector_flop_rate", "flop_rate"),
        "power": reader.number("compute.power", "power", default=0.0),
        "sustained": reader.number("compute.sustained", "fraction", default=1.0),
        "peak_flop_rate": {
            dtype: reader.number(f"peak_flop_rate.{dtype}", "flop_rate")
            for dtype in reader.keys("peak_flop_rate")
        },
    }
    if not values["peak_flop_rate"]:
        reader.fault("peak_flop_rate", "missing; expected a dense peak per dtype")
    for family, kind in FAMILIES.items():
        values[family] = kind(**_efficiency(reader, f"efficiency.{family}", kind))
    return Device(**values, numbers=reader.finish())


def _efficiency(reader: ProfileReader, path: str, kind: type) -> Mapping[str, Any]:
    values: dict[str, Any] = {}
    for field in fields(kind):
        place = f"{path}.{field.name}"
        dimension = field.metadata["dimension"]
        if dimension == "fractions":
            values[field.name] = {
                key: reader.number(f"{place}.{key}", "fraction") for key in reader.keys(place)
            }
            if not values[field.name]:
                reader.fault(place, "missing; expected a table of fractions")
        else:
            values[field.name] = reader.number(place, dimension)
    return values


def parse_link(text: str, name: str, place: str) -> Link:
    """A link from the text of its profile.

    Raises:
        ProfileError: the profile breaks one or more rules.
    """
    reader = ProfileReader(text, place)
    values: dict[str, Any] = {
        "description": reader.text("description"),
        "bandwidth": reader.number("bandwidth", "bandwidth"),
        "latency": reader.number("latency", "time"),
        "efficiency": reader.number("efficiency", "fraction"),
        "half_size": reader.number("half_size", "bytes"),
    }
    return Link(name=name, **values, numbers=reader.finish())


def parse_node(text: str, name: str, place: str) -> NodeType:
    """A node or pod type from the text of its profile.

    Raises:
        ProfileError: the profile breaks one or more rules.
    """
    return _node(ProfileReader(text, place), name)


def _node(reader: ProfileReader, name: str) -> NodeType:
    description = reader.text("description")
    device = _resolve(reader, "device", load_device)
    count = reader.tables("levels")
    if count < 2:
        reader.fault("levels", f"found {count}; expected at least two, the last joining nodes (size 0)")
    levels = tuple(_level(reader, f"levels.{index}", last=index == count - 1) for index in range(count))
    numbers = reader.finish()
    return NodeType(name=name, description=description, device=device, levels=levels, numbers=numbers)


def _level(reader: ProfileReader, path: str, *, last: bool) -> Level:
    topology = reader.text(f"{path}.topology")
    if topology and topology not in get_args(LevelTopology):
        expected = ", ".join(get_args(LevelTopology))
        reader.fault(f"{path}.topology", f"found {topology!r}; expected one of {expected}")
    size = int(reader.number(f"{path}.size", "count"))
    if last != (size == 0):
        expected = "0 for the last level (all nodes)" if last else "at least 1"
        reader.fault(f"{path}.size", f"found {size}; expected {expected}")
    return Level(
        name=reader.text(f"{path}.name"),
        link=_resolve(reader, f"{path}.link", load_link),
        ports=reader.number(f"{path}.ports", "number"),
        size=size,
        topology=topology,  # type: ignore[arg-type]
    )


def _resolve(reader: ProfileReader, path: str, load: Any) -> Any:  # noqa: ANN401 - device or link
    name = reader.text(path)
    if not name:
        return None
    try:
        return load(name)
    except (UnknownNameError, ProfileError) as error:
        reader.fault(path, str(error))
        return None


@lru_cache(maxsize=8)
def _names(folder: str) -> tuple[str, ...]:
    return tuple(sorted(path.name[:-5] for path in (DATA / folder).iterdir() if path.name.endswith(".toml")))


def _text(folder: str, kind: str, name: str) -> str:
    if name not in _names(folder):
        raise UnknownNameError(kind, name, _names(folder))
    return (DATA / folder / f"{name}.toml").read_text(encoding="utf-8")
