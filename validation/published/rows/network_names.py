"""Which registered network a throughput row means, by ``network_names.toml``."""

import re
from dataclasses import dataclass
from functools import cache

from validation.errors import RowSkippedError
from validation.judging.rules import Pattern, load_rules
from validation.published.tables import PublishedRow
from workloads.errors import WorkloadError
from workloads.network import Network
from workloads.registry import load_network, network_names, registered_name


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRule:
    """Rows of a source (and, where given, a framework) whose whole model text matches train this network."""

    source: Pattern
    framework: Pattern | None = None
    model: Pattern
    network: str


def network_name(row: PublishedRow) -> str:
    """The registered name of a row's network.

    Raises:
        RowSkippedError: none is registered.
    """
    model = re.sub(r"\s*\(.*?\)", "", row["model"]).strip().lower()
    for rule in load_rules("published/rows/network_names.toml", NetworkRule):
        found = rule.model.fullmatch(model)
        framed = rule.framework is None or rule.framework.search(row["framework"])
        if found and framed and rule.source.search(f"{row['source']} | {row['source_item']}"):
            model = found.expand(rule.network)
            break
    name = registered_name(model)
    if name not in network_names():
        raise RowSkippedError(f"network {model} is not registered")
    return name


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
