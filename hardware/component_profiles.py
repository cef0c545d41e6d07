"""Devices and links out of their profiles, whole files or tables of a cluster file.

A profile may name a registered one as its ``base`` and say only what differs: a variant of a card or a node
type, or a link of one's own in a cluster file. What it leaves out keeps the base's value and source.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from math import inf
from typing import Any

from hardware.attention_kernels import attention_kernels
from hardware.device import Device
from hardware.efficiency import FAMILIES
from hardware.errors import ProfileError, UnitError, UnknownNameError
from hardware.kernel_terms import KernelTerms, Tier
from hardware.link import Link
from hardware.profile_files import load_text
from hardware.profile_reader import ProfileReader
from hardware.units import parse_quantity

Check = Callable[[str, str, str], object]  # text, name, place


TABLES = {"shares": "share", "speeds": "speed"}
"""Dimensions of tables of numbers by name, and of each number."""


def parse_device(text: str, name: str, place: str) -> Device:
    """A device from the text of its profile.

    Raises:
        ProfileError: the profile breaks one or more rules.
    """
    reader = ProfileReader(text, place)
    device = device_at(reader, name)
    reader.finish()
    return device


def parse_link(text: str, name: str, place: str) -> Link:
    """A link from the text of its profile.

    Raises:
        ProfileError: the profile breaks one or more rules.
    """
    reader = ProfileReader(text, place)
    link = link_at(reader, name)
    reader.finish()
    return link


def device_at(reader: ProfileReader, name: str, at: str = "") -> Device:
    """The device of a file, or of its table at a path that ends with a dot; faults stay with the reader."""
    inherit_base(reader, at, "devices", parse_device)
    values: dict[str, Any] = {
        "description": reader.text(f"{at}description"),
        "generation": reader.text(f"{at}generation"),
        "energy": reader.text(f"{at}energy", default=""),
        "attention_kernels": attention_kernels(
            reader.text(f"{at}attention_generation", default="") or reader.text(f"{at}generation")
        ),
        "memory_capacity": reader.number(f"{at}memory.capacity", "bytes"),
        "memory_bandwidth": reader.number(f"{at}memory.bandwidth", "bandwidth"),
        "cache": reader.number(f"{at}compute.cache", "bytes"),
        "multiprocessors": int(reader.number(f"{at}compute.multiprocessors", "whole")),
        "vector_flop_rate": reader.number(f"{at}compute.vector_flop_rate", "flop_rate"),
        "power": reader.number(f"{at}compute.power", "power", default=0.0),
        "idle_power": reader.number(f"{at}compute.idle_power", "power", default=0.0),
        "exponentials": reader.number(f"{at}compute.exponentials", "ratio", default=1.0),
        "sustained": reader.number(f"{at}compute.sustained", "share", default=1.0),
        "peak_flop_rate": {
            dtype: reader.number(f"{at}peak_flop_rate.{dtype}", "flop_rate")
            for dtype in reader.keys(f"{at}peak_flop_rate")
        },
    }
    values["sparsity"] = {
        pattern: reader.number(f"{at}sparsity.{pattern}", "number")
        for pattern in reader.keys(f"{at}sparsity")
    }
    if not values["peak_flop_rate"]:
        reader.fault(f"{at}peak_flop_rate", "missing; expected a dense peak per dtype")
    for family, kind in FAMILIES.items():
        values[family] = kind(**_efficiency(reader, f"{at}efficiency.{family}", kind))
    values["kernels"] = {
        kernel: _terms(reader, f"{at}kernels.{kernel}") for kernel in reader.keys(f"{at}kernels")
    }
    return Device(name=name, **values, numbers=reader.numbers_under(at))


def link_at(reader: ProfileReader, name: str, at: str = "") -> Link:
    """The link of a file, or of its table at a path that ends with a dot; faults stay with the reader."""
    inherit_base(reader, at, "links", parse_link)
    return Link(
        name=name,
        description=reader.text(f"{at}description"),
        bandwidth=reader.number(f"{at}bandwidth", "bandwidth"),
        latency=reader.number(f"{at}latency", "time"),
        efficiency=reader.number(f"{at}efficiency", "share"),
        half_size=reader.number(f"{at}half_size", "bytes"),
        occupancy=reader.number(f"{at}occupancy", "share", default=0.0),
        numbers=reader.numbers_under(at),
    )


def inherit_base(reader: ProfileReader, at: str, folder: str, check: Check) -> None:
    """Let a profile take what it leaves out from the one its ``base`` names."""
    path = f"{at}base"
    if reader.data_at(path) is None:
        return
    name = reader.text(path)
    try:
        text = load_text(folder, name)
        base = ProfileReader(text, f"{folder}/{name}.toml")
        if base.data_at("base") is not None:  # one step, so that no chain can close to a circle
            reader.fault(path, f"{name} has a base itself; expected {base.text('base')}")
            return
        check(text, name, base.place)
    except (UnknownNameError, ProfileError) as error:
        reader.fault(path, str(error))
        return
    reader.inherit(at, base)


def _efficiency(reader: ProfileReader, path: str, kind: type) -> Mapping[str, Any]:
    values: dict[str, Any] = {}
    for field in fields(kind):
        place = f"{path}.{field.name}"
        dimension = field.metadata["dimension"]
        if dimension in TABLES:
            each = TABLES[dimension]
            values[field.name] = {key: reader.number(f"{place}.{key}", each) for key in reader.keys(place)}
            if not values[field.name] and field.default_factory is MISSING:
                reader.fault(place, "missing; expected a table of fractions")
        else:
            optional = {} if field.default is MISSING else {"default": field.default}
            values[field.name] = reader.number(place, dimension, **optional)
    return values


def _terms(reader: ProfileReader, path: str) -> KernelTerms:
    return KernelTerms(
        latency=reader.number(f"{path}.latency", "time"),
        flop_rate=reader.number(f"{path}.flop_rate", "flop_rate", default=inf),
        lanes=int(reader.number(f"{path}.lanes", "whole", default=1)),
        padding=reader.number(f"{path}.padding", "fraction", default=1.0),
        traffic={
            operand: _tiers(reader, f"{path}.traffic.{operand}") for operand in reader.keys(f"{path}.traffic")
        },
    )


def _tiers(reader: ProfileReader, path: str) -> tuple[Tier, ...]:
    """Tiers of one operand, keyed by the bytes they start at."""
    tiers = []
    for start in reader.keys(path):
        try:
            nbytes = parse_quantity(start, "bytes")
        except UnitError as error:
            reader.fault(f"{path}.{start}", str(error))
            continue
        tiers.append(Tier(start=nbytes, bandwidth=reader.number(f"{path}.{start}", "bandwidth")))
    tiers.sort(key=lambda tier: tier.start)
    if tiers and tiers[0].start:
        reader.fault(path, f"starts at {tiers[0].start:.0f} B; expected a first tier '0 B'")
    return tuple(tiers)
