"""Graphs of operators as other tools export them, in one form for all: nodes in order, shapes per sample.

A reader (`workloads.importers.onnx_graph`, `workloads.importers.torch_export`) translates its tool's
operators into those of ``OPERATIONS`` where it knows them; whatever else a node does is its ``operation`` in
the tool's words, priced by its bytes and listed in the network's notes with its share of them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from workloads.errors import NetworkError
from workloads.layer import Layer
from workloads.layers import activation, classifier, dropout, elementwise, imported, linear
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.images import channels, convolution, normalization, pooling
from workloads.layers.tokens import tokens
from workloads.network import Block, Network
from workloads.operators import Pass
from workloads.tensors import BLOCK_INPUT

VIEW = "view"
"""A node that moves nothing: its output is its first input in another shape."""
OPERATIONS: Mapping[str, Callable[..., Layer]] = {
    "activation": activation.activation,
    "addition": elementwise.addition,
    "average_pool": pooling.average_pool,
    "batch_norm": normalization.batch_norm,
    "channel_shuffle": channels.channel_shuffle,
    "concatenation": elementwise.concatenation,
    "convolution": convolution.convolution,
    "dropout": dropout.dropout,
    "global_pool": pooling.global_pool,
    "layer_norm": tokens.layer_norm,
    "linear": linear.linear,
    "lowered": imported.lowered,
    "local_response_norm": normalization.local_response_norm,
    "max_pool": pooling.max_pool,
    "product": imported.product,
    "recurrent": imported.recurrence,
    "softmax": classifier.softmax,
    "streaming": imported.streaming,
    "token_linear": tokens.token_linear,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator of a graph.

    Attributes:
        name: of the node, for messages and layers.
        operation: key of ``OPERATIONS``, ``VIEW``, or the tool's word for something else.
        inputs: names of the activations that it reads; weights are not among them.
        output: name of the activation that it makes.
        shape: of that, per sample.
        source_shape: how it sees its first input where that differs from how it was made; () for as made.
        parameters: trained elements of an operation without a rule of its own.
        options: of the operation's builder.
        weights: elements of the trained tensors that it reads, by their name in the file.
    """

    name: str
    operation: str
    inputs: tuple[str, ...]
    output: str
    shape: tuple[int, ...]
    source_shape: tuple[int, ...] = ()
    parameters: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A network as another tool has it.

    Attributes:
        name: of the network.
        source: what it was read from.
        input: name of the activation that a sample is.
        shape: of that, without the batch.
        nodes: every node after those that it reads.
        notes: what the reader has to say.
    """

    name: str
    source: str
    input: str
    shape: tuple[int, ...]
    nodes: tuple[Node, ...]
    notes: tuple[str, ...] = ()


def build_graph_network(graph: Graph) -> Network:
    """The trainable network of a graph.

    Raises:
        NetworkError: nodes that do not fit together; one line for each.
    """
    draft = Draft(graph.shape)
    alias = {graph.input: BLOCK_INPUT}
    names = tuple(_names(graph.nodes))
    faults: list[str] = []
    for node, name in zip(graph.nodes, names, strict=True):
        sources = [alias[source] for source in node.inputs if source in alias]
        if not sources:
            continue
        try:
            alias[node.output] = _add(draft, name, node, sources)
        except NetworkError as error:
            faults += error.faults
            alias[node.output] = draft.view(name, sources[0], node.shape)
    if faults:
        raise NetworkError(f"{graph.source}: {fault}" for fault in faults)
    blocks, shared = _count_once(draft.blocks(), dict(zip(names, graph.nodes, strict=True)))
    if not any(block.parameters for block in blocks):
        raise NetworkError([f"{graph.source}: no node has parameters; expected a network to train"])
    network = build_image_network(graph.name, blocks, source=graph.source)
    return replace(network, notes=(*graph.notes, *shared, *_notes(network)))


def _count_once(blocks: Sequence[Block], nodes: Mapping[str, Node]) -> tuple[tuple[Block, ...], list[str]]:
    """Blocks in which a tensor that several nodes read belongs to the first of them, and a note of it.

    A layer that reads the very tensors of another is tied to it; one that reads some of them has the rest.
    """
    owners: dict[str, str] = {}
    again: dict[str, int] = {}
    built = []
    for block in blocks:
        layers = []
        for layer in block.layers:
            read = nodes[layer.name].weights if layer.name in nodes and layer.parameters else {}
            met = [name for name in read if name in owners]
            again |= {name: read[name] for name in met}
            owners |= {name: f"{block.name}/{layer.name}" for name in read if name not in owners}
            owner = {owners[name] for name in met}
            if met and len(met) == len(read) and len(owner) == 1:
                layers.append(replace(layer, tied=owner.pop()))
            else:
                rest = layer.parameters - sum(read[name] for name in met)
                layers.append(replace(layer, parameters=max(0, rest)))
        built.append(replace(block, layers=tuple(layers)))
    if not again:
        return tuple(built), []
    listed = ", ".join(list(again)[:4]) + (f" and {len(again) - 4} more" if len(again) > 4 else "")
    return tuple(built), [f"{listed}: read by several nodes; counted once"]


def _names(nodes: Sequence[Node]) -> Iterator[str]:
    taken = {BLOCK_INPUT}
    for number, node in enumerate(nodes):
        name = node.name.replace("/", ".").strip(".") or f"{node.operation}{number}"
        while name in taken:
            name = f"{name}_{number}"
        taken.add(name)
        yield name


def _add(draft: Draft, name: str, node: Node, sources: Sequence[str]) -> str:
    if node.operation == VIEW:
        return draft.view(name, sources[0], node.shape)
    if node.source_shape and draft.shape_of(sources[0]) != node.source_shape:
        sources = (draft.view(f"{name} input", sources[0], node.source_shape), *sources[1:])
    builder = OPERATIONS.get(node.operation)
    if builder is None:
        return draft.add(
            imported.streaming,
            name,
            *sources,
            operation=node.operation,
            shape=node.shape,
            parameters=node.parameters,
            **node.options,
        )
    made = draft.add(builder, name, *sources, **node.options)
    if node.shape and draft.shape_of(made) != node.shape:
        if prod(draft.shape_of(made)) != prod(node.shape):
            found = f"{name}: makes {list(draft.shape_of(made))} of {list(draft.shape_of(sources[0]))}"
            raise NetworkError([f"{found}; expected {list(node.shape)}, as the file says"])
        return draft.view(f"{name} output", made, node.shape)
    return made


def _notes(network: Network) -> Iterator[str]:
    """Operators that only their bytes price, with their share of all bytes of a training step's kernels."""
    traffic: dict[str, int] = defaultdict(int)
    counts: dict[str, int] = defaultdict(int)
    total = 0
    for _, layer in network.layers():
        moved = sum(
            operator.reads + operator.writes + operator.weights
            for which in Pass
            for operator in layer.operators(which)
        )
        total += moved
        if layer.kind == "imported" and not layer.attributes["known"]:
            operation = str(layer.attributes["operation"])
            traffic[operation] += moved
            counts[operation] += 1
    if traffic:
        listed = ", ".join(
            f"{operation} ({counts[operation]} x, {moved / total:.1%})"
            for operation, moved in sorted(traffic.items(), key=lambda item: -item[1])
        )
        yield (
            f"network {network.name}: operators without a rule of their own, priced by the bytes that they "
            f"move, with their share of all: {listed}"
        )
