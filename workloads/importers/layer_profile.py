"""Measured layer profiles as workloads: seconds and bytes of every layer, and the graph between them.

The tables are those of PipeDream's profiler (Narayanan et al. 2019, SOSP, section 3.1), one row a layer and
one row an edge, several networks to a file:

    nodes: model, node_id, op, layer_desc, forward_ms, backward_ms, activation_bytes_total, parameter_bytes
    edges: model, src_node, dst_node

``Input`` nodes time the loading of data, not a layer, and are dropped with their edges.
"""

import difflib
import heapq
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from readers.csv_text import read_csv
from readers.errors import InputError
from workloads.errors import NetworkError, WorkloadError

NODE_COLUMNS = (
    "model",
    "node_id",
    "op",
    "forward_ms",
    "backward_ms",
    "activation_bytes_total",
    "parameter_bytes",
)
EDGE_COLUMNS = ("model", "src_node", "dst_node")
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfiledLayer:
    """One measured layer, for the minibatch the profile was taken with.

    Attributes:
        name: node of the profile.
        kind: operation, such as ``Conv2d``.
        forward: [s].
        backward: [s].
        activation: [bytes] of its output.
        parameters: [bytes] of its weights.
        inputs: names of the layers it reads.
    """

    name: str
    kind: str
    forward: float
    backward: float
    activation: float
    parameters: float
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProfile:
    """A measured network: its layers in topological order."""

    name: str
    layers: tuple[ProfiledLayer, ...]


def load_layer_profile(nodes: Path, edges: Path, name: str) -> LayerProfile:
    """The profile of one network.

    Args:
        nodes: table of layers.
        edges: table of edges.
        name: of the network in column ``model``.

    Raises:
        WorkloadError: a file cannot be read or lacks a column, or it has no such network.
        NetworkError: rows break a rule (a time below zero, an unknown node, a cycle); one line per fault.
    """
    found = _rows(nodes, NODE_COLUMNS)
    names = sorted({row["model"] for row in found})
    if name not in names:
        near = difflib.get_close_matches(name, names, n=2, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else f"it has {', '.join(names)}"
        raise WorkloadError(f"{nodes.name}: no model {name!r}; {hint}")
    links = [row for row in _rows(edges, EDGE_COLUMNS) if row["model"] == name]
    return build_layer_profile(name, [row for row in found if row["model"] == name], links)


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        found, rows = read_csv(path)
    except InputError as error:
        raise WorkloadError(str(error)) from None
    missing = [column for column in columns if column not in found]
    if missing:
        raise WorkloadError(f"{path}: no column {', '.join(missing)}; expected {', '.join(columns)}")
    return [dict(zip_longest(found, values[: len(found)], fillvalue="")) for _, values in rows]


def build_layer_profile(name: str, nodes: Sequence[Row], edges: Sequence[Row]) -> LayerProfile:
    """The profile of these rows.

    Raises:
        NetworkError: one line per fault.
    """
    faults: list[str] = []
    numbers = {row["node_id"]: _numbers(name, row, faults) for row in nodes}
    if len(numbers) < len(nodes):
        ids = [row["node_id"] for row in nodes]
        twice = sorted({node for node in ids if ids.count(node) > 1})
        faults.append(f"{name}: node {', '.join(twice)} stands twice; expected unique nodes")
    for row in edges:
        faults += [
            f"{name}: edge {row['src_node']} -> {row['dst_node']}: no node {row[end]!r}"
            for end in ("src_node", "dst_node")
            if row[end] not in numbers
        ]
    if faults:
        raise NetworkError(faults)
    kept = {row["node_id"]: row for row in nodes if not row["op"].startswith("Input")}
    if not kept:
        raise NetworkError([f"{name}: no layers; expected at least one beside the input"])
    inputs = _inputs(kept, edges)
    order = _sorted(name, inputs)
    layers = (_layer(kept[node], numbers[node], inputs[node]) for node in order)
    return LayerProfile(name=name, layers=tuple(layers))


def _numbers(name: str, row: Row, faults: list[str]) -> dict[str, float]:
    """The numeric columns of a row; a fault for each that is no number of at least zero."""
    found = {}
    for column in NODE_COLUMNS[3:]:
        try:
            value = float(row[column])
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            place = f"{name}: {row['node_id']} {row['op']}: {column}"
            faults.append(f"{place}: found {row[column]!r}; expected a number of at least 0")
        found[column] = value
    return found


def _inputs(kept: Mapping[str, Row], edges: Sequence[Row]) -> dict[str, list[str]]:
    inputs: dict[str, list[str]] = {node: [] for node in kept}
    for row in edges:
        if row["src_node"] in kept and row["dst_node"] in kept:
            inputs[row["dst_node"]].append(row["src_node"])
    return inputs


def _sorted(name: str, inputs: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Nodes in topological order, by number where the graph leaves a choice.

    Raises:
        NetworkError: the graph has a cycle; names its nodes.
    """
    waiting = {node: len(sources) for node, sources in inputs.items()}
    readers: dict[str, list[str]] = {node: [] for node in inputs}
    for node, sources in inputs.items():
        for source in sources:
            readers[source].append(node)
    ready = [(_number(node), node) for node, count in waiting.items() if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        _, node = heapq.heappop(ready)
        order.append(node)
        for reader in readers[node]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, (_number(reader), reader))
    if len(order) < len(inputs):
        raise NetworkError([f"{name}: cycle {' -> '.join(_cycle(inputs, set(order)))}; expected none"])
    return iter(order)


def _number(node: str) -> int:
    return int("".join(re.findall(r"\d+", node)) or 0)


def _cycle(inputs: Mapping[str, Sequence[str]], done: set[str]) -> list[str]:
    """A cycle among nodes that wait for each other, in the direction of the edges."""
    path = [next(node for node in inputs if node not in done)]
    while path[-1] not in path[:-1]:
        path.append(next(source for source in inputs[path[-1]] if source not in done))
    return path[path.index(path[-1]) :][::-1]


def _layer(row: Row, numbers: Mapping[str, float], inputs: Sequence[str]) -> ProfiledLayer:
    return ProfiledLayer(
        name=row["node_id"],
        kind=row["op"],
        forward=numbers["forward_ms"] / 1e3,
        backward=numbers["backward_ms"] / 1e3,
        activation=numbers["activation_bytes_total"],
        parameters=numbers["parameter_bytes"],
        inputs=tuple(inputs),
    )
