"""Arrangements: ranks that share the samples of a microbatch, every layer split among them in its own way.

A layer is named by ``block/layer``, of a node the first; those that follow it keep its layout. A layer that
is not named is split like the one that it reads, where that applies to it, otherwise by sample.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from simdl.communication import Group
from simdl.errors import SimdlError
from simdl.splits.graph import LayerGraph, Node, build_layer_graph
from simdl.splits.registry import Choice, divide_layer, follow, format_choice, parse_choice
from simdl.splits.site import Divided
from workloads.network import Network

SAMPLE = Choice("sample", (1, 1))
Parts = tuple[Divided, ...]
"""What one rank does of a node: the layer, then its followers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """How the ranks of one replica share a microbatch.

    Attributes:
        ranks: neighbours that share it.
        samples: of the microbatch.
        splits: (``block/layer``, split as text) of layers that are split in a way of their own.
    """

    ranks: int
    samples: int
    splits: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resolved:
    """An arrangement on a network.

    Attributes:
        graph: nodes and tensors; empty where there is a problem with the network.
        choices: split of each node.
        parts: what one rank does of each node.
        problems: why the splits cannot be carried out, one sentence each.
    """

    graph: LayerGraph
    choices: tuple[Choice, ...] = ()
    parts: tuple[Parts, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def groups(self) -> set[Group]:
        """Ranks of the arrangement that hold the same parameters, by layer."""
        return {parts[0].replicas for parts in self.parts}


@lru_cache(maxsize=1024)
def resolve(network: Network, arrangement: Arrangement) -> Resolved:
    """The split of every node of a network."""
    try:
        graph = build_layer_graph(network, arrangement.samples)
    except SimdlError as error:
        return Resolved(graph=LayerGraph(nodes=(), edges=()), problems=(f"splits: {error}",))
    problems = list(_unknown(graph, arrangement))
    named = dict(arrangement.splits)
    choices: list[Choice] = []
    parts: list[Parts] = []
    unnamed = 0
    for index, node in enumerate(graph.nodes):
        try:
            choice, found = _split(graph, index, choices, named.get(node.name), arrangement.ranks)
        except SimdlError as error:
            if node.name in named or not unnamed:
                problems.append(f"splits: {node.name}: {error}")
            unnamed += node.name not in named  # the layers behind it lack a split too: the first is enough
            choice, found = SAMPLE, ()
        choices.append(choice)
        parts.append(found)
    if problems:
        return Resolved(graph=graph, problems=tuple(problems))
    return Resolved(graph=graph, choices=tuple(choices), parts=tuple(parts))


def _unknown(graph: LayerGraph, arrangement: Arrangement) -> Iterator[str]:
    """Names that no node has, and names given twice."""
    known = [node.name for node in graph.nodes]
    leads = {
        f"{node.name.partition('/')[0]}/{site.layer.name}": node.name
        for node in graph.nodes
        for site in node.sites[1:]
    }
    for name, _ in arrangement.splits:
        if name in leads:
            yield f"splits: {name}: keeps the layout of {leads[name]}; expected the split there"
        elif name not in known:
            near = get_close_matches(name, known, n=1) or known[:1]
            yield f"splits: {name}: unknown layer; expected BLOCK/LAYER such as {near[0]}"


def _split(
    graph: LayerGraph, index: int, choices: Sequence[Choice], text: str | None, ranks: int
) -> tuple[Choice, Parts]:
    """The split that a node is given, or else that of the node it reads, or else by sample."""
    node = graph.nodes[index]
    if text is not None:
        choice = parse_choice(text)
        return choice, divide_node(node, choice, ranks)
    before = [edge.source for edge in graph.edges if edge.target == index and not edge.back]
    tried = dict.fromkeys([*(choices[source] for source in before[:1]), SAMPLE])
    why = ""
    for choice in tried:
        try:
            return choice, divide_node(node, choice, ranks)
        except SimdlError as error:
            why = str(error).removeprefix(f"found {format_choice(choice)}; ")
    words = " nor ".join(map(format_choice, tried))
    raise SimdlError(f"found none, and {words} does not apply ({why}); expected a split")


def divide_node(node: Node, choice: Choice, ranks: int) -> Parts:
    """What one rank does of a node.

    Raises:
        SimdlError: the split does not apply to the layer, or to one that follows it.
    """
    lead = divide_layer(node.sites[0], choice, ranks)
    for site in node.sites[1:]:
        if not lead.output.fits(site.layer.output_shape):
            raise SimdlError(
                f"found {format_choice(choice)}; more parts than {site.layer.name} behind it has"
            )
    return lead, *(follow(site, lead.output) for site in node.sites[1:])


def named_splits(network: Network, arrangement: Arrangement) -> tuple[tuple[str, str], ...]:
    """The splits of an arrangement, without those that a layer would take unnamed."""
    found = resolve(network, arrangement)
    kept: list[tuple[str, str]] = []
    for index, (node, choice) in enumerate(zip(found.graph.nodes, found.choices, strict=True)):
        try:
            unnamed, _ = _split(found.graph, index, found.choices, None, arrangement.ranks)
        except SimdlError:
            unnamed = None
        if unnamed != choice:
            kept.append((node.name, format_choice(choice)))
    return tuple(kept)
