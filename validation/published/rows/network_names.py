"""Which registered network a throughput row means, by ``network_names.toml``."""

import re
from dataclasses import dataclass, replace
from functools import cache

from validation.errors import RowSkippedError
from validation.judging.rules import Pattern, load_rules
from validation.published.rows.cells import optional_measurement, required_count
from validation.published.tables import PublishedRow
from workloads.errors import WorkloadError
from workloads.network import Network
from workloads.registry import load_network, network_names, registered_name


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRule:
    """Rows of a source (and, where given, a framework) whose whole model text matches train this network.

    Attributes:
        source, framework, model: patterns.
        network: registered name, with groups of the model's pattern.
        tokens: of its samples, where the scripts of the source set them; 0 where they do not.
        alone: processes of the source's scripts exchange no gradients, each trains a network of its own.
    """

    source: Pattern
    framework: Pattern | None = None
    model: Pattern
    network: str
    tokens: int = 0
    alone: bool = False


def network_name(row: PublishedRow) -> str:
    """The registered name of a row's network.

    Raises:
        RowSkippedError: none is registered.
    """
    model, rule = _printed_model(row), _rule(row)
    found = _match(rule, row) if rule else None
    name = registered_name(found.expand(rule.network) if rule and found else model)
    if name not in network_names():
        raise RowSkippedError(f"network {model} is not registered")
    return name


def scripted_tokens(row: PublishedRow) -> int | None:
    """Tokens of a sample that the scripts of a row's source set, None where they leave the network's own."""
    rule = _rule(row)
    return rule.tokens or None if rule else None


def alone(row: PublishedRow) -> PublishedRow:
    """The row, or where its processes train networks of their own, one of them with its share of the rate."""
    rule, devices = _rule(row), required_count(row, "n_devices")
    if rule is None or not rule.alone or devices == 1:
        return row
    value = optional_measurement(row, "value")
    cells = {
        **row.cells,
        "n_devices": "1",
        "global_batch": row["batch_per_device"],
        "value": "" if value is None else repr(value / devices),
    }
    return replace(row, cells=cells)


# What names of networks say beside the network.
_BESIDE = re.compile(
    r"\b(?:pre-?train(?:ing|ed)?|train(?:ing)?|fine-?tun(?:ing|ed)|(?:un)?cased|imagenet|model)\b"
)


def spelled(row: PublishedRow) -> PublishedRow:
    """The row with the network that it names as the rules and the registry write it (ResNet-50, ViT-B/16)."""
    model = _printed_model(row)
    if _rule(row) or model.replace("_", "-") in network_names():
        return row
    plain = " ".join(_BESIDE.sub(" ", model.replace("_", " ")).split())
    name = next((each for each in map(registered_name, (model, plain)) if each in network_names()), None)
    return replace(row, cells={**row.cells, "model": name}) if name else row


def _printed_model(row: PublishedRow) -> str:
    return re.sub(r"\s*\(.*?\)", "", row["model"]).strip().lower()


def _match(rule: NetworkRule, row: PublishedRow) -> re.Match[str] | None:
    """Of the model without what stands in brackets, or with it."""
    return rule.model.fullmatch(_printed_model(row)) or rule.model.fullmatch(row["model"].strip().lower())


def _rule(row: PublishedRow) -> NetworkRule | None:
    for rule in load_rules("published/rows/network_names.toml", NetworkRule):
        framed = rule.framework is None or rule.framework.search(row["framework"])
        placed = rule.source.search(f"{row['source']} | {row['source_item']}")
        if framed and placed and _match(rule, row):
            return rule
    return None


@cache
def registered_network(name: str, size: int | None) -> Network:
    """A registered network at a size of its sample: tokens of a sequence, else pixels a side.

    Raises:
        RowSkippedError: its samples have no such size.
    """
    try:
        network = load_network(name)
        if size is None:
            return network
        if network.sample == "sequence":
            return network if network.tokens == size else load_network(name, tokens=size)
        return load_network(name, image_size=size)
    except WorkloadError as error:
        if size is not None and "size is fixed" in str(error):
            return load_network(name)
        raise RowSkippedError(f"input size is not possible: {error}") from None
