"""The graph network of a published row, by ``graph_networks.toml``: tables name a model and a graph only."""

import re
from dataclasses import dataclass, fields
from functools import cache

from validation.errors import RowSkippedError
from validation.judging.rules import Pattern, load_rules
from validation.published.tables import PublishedRow
from workloads.network import Network
from workloads.zoo.graph_networks import GRAPHS, MODELS, GraphConfig, build_graph_network

_NAMED = re.compile(rf"({'|'.join(MODELS)}) on ([\w-]+)")
_OTHER_NAMES = {"ogbn-product": "ogbn-products"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphRule:
    """What scripts of a source train by default; fields as in `workloads.zoo.graph_networks.GraphConfig`."""

    source: Pattern
    model: Pattern
    layers: int
    hidden: int
    heads: int = 8
    last_heads: int = 1
    batch_norm: bool = False
    input_dropout: bool = True
    first: str = "narrower"
    framework: Pattern | None = None
    why: str


_PATTERNS = frozenset({"source", "model", "framework", "why"})
_SHAPE = tuple(f.name for f in fields(GraphRule) if f.name not in _PATTERNS)


def graph_network(row: PublishedRow) -> Network | None:
    """The network of a row whose model is trained on a graph; None for other rows.

    Raises:
        RowSkippedError: the graph is not registered, or the scripts of the source are not known.
    """
    text = row["model"].lower()
    named = _NAMED.match(text)
    if named is None:
        return None
    graph = _OTHER_NAMES.get(named[2], named[2])
    if graph not in GRAPHS:
        raise RowSkippedError(f"graph {graph} is not registered")
    for rule in load_rules("published/rows/graph_networks.toml", GraphRule):
        stacked = rule.framework is None or rule.framework.search(row["framework"])
        if rule.source.search(row["source"]) and rule.model.search(text) and stacked:
            return _network(named[1], graph, rule)
    raise RowSkippedError(f"depth and widths of {named[1]} in {row['source']} are not known")


@cache
def _network(model: str, graph: str, rule: GraphRule) -> Network:
    shape = {name: getattr(rule, name) for name in _SHAPE}
    return build_graph_network(GraphConfig(name=f"{model}-{graph}", model=model, **shape), GRAPHS[graph])
