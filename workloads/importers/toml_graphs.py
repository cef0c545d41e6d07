"""Graph networks of one's own: a graph by its counts, and the network that trains on it.

::

    kind = "graph"
    nodes = 2_449_029
    edges = 123_718_280         # directed: both ways of an undirected edge
    features = 100
    classes = 47
    parts = 8                   # partitions that the cut was measured with; may be left out
    cut = 0.12                  # share of edges with ends in two of them

    [network]
    model = "graphsage"         # gcn, graphsage or gat
    layers = 3
    hidden = 256
    fanout = [15, 10, 5]        # neighbours drawn, from the seeds outwards; left out: the whole graph

Ranks that share a graph are those of ``cp``. Every fault is reported with the file and the key.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from workloads.errors import NetworkError
from workloads.graph import Graph
from workloads.network import Network
from workloads.zoo.graph_networks import GraphConfig, build_graph_network

WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def build_toml_graph(file: Path, content: Mapping[str, Any]) -> Network:
    """The network of a file's content.

    Raises:
        NetworkError: one line per fault.
    """
    values = {"name": file.stem, "source": file.name, **content}
    network = values.pop("network", None)
    if not isinstance(network, Mapping):
        found = "missing" if network is None else f"found {network!r}"
        raise NetworkError([f"{file}: network: {found}; expected a table with model, layers and hidden"])
    chosen = {"name": values["name"], **network}
    faults = [*_faults(Graph, values, str(file)), *_faults(GraphConfig, chosen, f"{file}: network")]
    if faults:
        raise NetworkError(faults)
    if "fanout" in chosen:
        chosen["fanout"] = tuple(chosen["fanout"])
        if not chosen["fanout"]:
            raise NetworkError([f"{file}: network.fanout: found an empty list; expected a number per layer"])
    try:
        return build_graph_network(GraphConfig(**chosen), Graph(**values))
    except NetworkError as error:
        raise NetworkError(f"{file}: {fault}" for fault in error.faults) from None


def _faults(kind: type, values: Mapping[str, Any], place: str) -> Iterator[str]:
    known = {each.name: each for each in fields(kind)}
    for name in sorted(set(values) - set(known)):
        yield f"{place}: {name}: found an unknown key; expected keys among {', '.join(known)}"
    for name, each in known.items():
        if name not in values:
            if each.default is MISSING:
                yield f"{place}: {name}: missing; expected {_word(each.type)}"
        elif not _fits(values[name], each.type):
            yield f"{place}: {name}: found {values[name]!r}; expected {_word(each.type)}"


def _word(kind: Any) -> str:  # noqa: ANN401 - the type of a field
    return WORDS.get(kind, "a list of whole numbers")


def _fits(value: object, kind: Any) -> bool:  # noqa: ANN401 - likewise
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in WORDS:
        return isinstance(value, kind)
    return isinstance(value, list) and all(_fits(each, int) for each in value)
