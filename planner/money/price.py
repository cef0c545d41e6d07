"""Prices: USD per device-hour, as one number or as a file of prices by device, node type and kWh."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from hardware.citation import CitedNumber
from hardware.cluster import Cluster
from hardware.profile_reader import ProfileReader
from readers.errors import InputError
from readers.whole import read_text
from simdl.errors import SimdlError

NUMBER = re.compile(r"\s*\$?\s*(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?:USD)?(?:/h)?\s*")
LOWEST, HIGHEST = 1e-6, 1e6  # [USD/h] of a device
EXPECTED = "expected USD per device-hour such as 2.5, or a TOML file of prices"
HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What devices and energy cost.

    Attributes:
        every: [USD/s] of any device; 0 where there are prices by name.
        devices, nodes: [USD/s] of one device, and of one node whole, by name.
        electricity: [USD/J] on top of them.
        overhead: energy that is bought over energy that nodes draw (PUE of the building).
        place: where the prices are written.
        numbers: the prices with their sources; () where one number was given.
    """

    every: float = 0.0
    devices: dict[str, float] = field(default_factory=dict)
    nodes: dict[str, float] = field(default_factory=dict)
    electricity: float = 0.0
    overhead: float = 1.0
    place: str = "--price"
    numbers: tuple[CitedNumber, ...] = ()


def load_prices(text: str) -> Prices:
    """Prices from a number of USD per device-hour or from a file.

    Raises:
        SimdlError: neither, or a number that no price has.
        ProfileError: the file breaks a rule.
    """
    if not is_plain_price(text):
        path = Path(text)
        if path.suffix == ".toml":
            return _price_file(path)
        raise SimdlError(f"--price: found {text!r}; {EXPECTED}")
    number = float(NUMBER.sub(r"\g<number>", text))
    if not LOWEST <= number <= HIGHEST:
        raise SimdlError(f"--price: found {text!r}; expected {LOWEST:g} to {HIGHEST:g} USD per device-hour")
    return Prices(every=number / HOUR)


def is_plain_price(text: str) -> bool:
    """Whether a text is one price of all devices rather than a file."""
    return NUMBER.fullmatch(text) is not None


def _price_file(path: Path) -> Prices:
    try:
        text = read_text(path, EXPECTED.removeprefix("expected "))
    except InputError as error:
        raise SimdlError(f"--price: {error}") from None
    reader = ProfileReader(text, str(path))

    def table(name: str) -> dict[str, float]:
        return {key: reader.number(f"{name}.{key}", "price") for key in reader.keys(name)}

    devices, nodes = table("devices"), table("nodes")
    electricity = reader.number("electricity.price", "energy_price", default=0.0)
    overhead = reader.number("electricity.overhead", "number", default=1.0)
    if overhead < 1 and not reader.is_faulty("electricity.overhead"):
        reader.fault(
            "electricity.overhead", f"found {overhead:g}; expected at least 1, energy bought over drawn"
        )
    if not devices and not nodes and not reader.faults:
        reader.fault("devices", "no price; expected tables [devices] or [nodes] of USD/h by name")
    return Prices(
        devices=devices,
        nodes=nodes,
        electricity=electricity,
        overhead=overhead,
        place=str(path),
        numbers=reader.finish(),
    )


def hardware_price(prices: Prices, cluster: Cluster) -> float:
    """[USD/s] of a cluster, energy aside: its nodes' price where there is one, else its devices'.

    Part of a node costs its share of the node.

    Raises:
        SimdlError: there is no price for a node type and its device.
    """
    return sum(_part_price(prices, part) for part in cluster.parts)


def _part_price(prices: Prices, part: Cluster) -> float:
    node, device = part.node, part.node.device
    if prices.every:
        return prices.every * part.devices
    if node.name in prices.nodes:
        return prices.nodes[node.name] * part.count * node.devices / (node.whole or node.devices)
    if device.name in prices.devices:
        return prices.devices[device.name] * part.devices
    known = ", ".join((*prices.nodes, *prices.devices))
    raise SimdlError(f"{prices.place}: no price of node {node.name} or device {device.name}; it has {known}")


def price_source(prices: Prices, cluster: Cluster) -> list[str]:
    """Where the price of a cluster comes from, a sentence each."""
    if prices.every:
        return [f"{prices.every * HOUR:g} USD per device-hour (--price)"]
    used = {f"nodes.{part.node.name}" for part in cluster.parts if part.node.name in prices.nodes}
    used |= {f"devices.{part.device.name}" for part in cluster.parts if part.node.name not in prices.nodes}
    used |= {"electricity.price", "electricity.overhead"}
    return [
        f"{number.path} {number.text} ({number.citation.kind}: {number.citation.title})"
        for number in prices.numbers
        if number.path in used
    ]
