"""Graph networks on public graphs: GCN, GraphSAGE and GAT.

Kipf and Welling 2016 (arXiv:1609.02907): H' = s(A H W); Hamilton et al. 2017 (arXiv:1706.02216), mean
aggregator: H' = s(H W1 + mean(H of neighbours) W2); Velickovic et al. 2017 (arXiv:1710.10903): attention over
edges. A linear layer stands before the aggregation where it narrows the features, else behind it. Counts of
graphs: Sen et al. 2008 in Kipf and Welling's split; Hamilton et al. 2017 (Reddit); Hu et al. 2020, Open Graph
Benchmark (arXiv:2005.00687), table 2, both ways of undirected edges.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from workloads.errors import NetworkError
from workloads.graph import Graph, neighbourhoods
from workloads.layer import Layer, SavedActivation
from workloads.layers.classifier import softmax
from workloads.layers.drafts.gradient_flow import drop_unused_gradients
from workloads.layers.graph import Neighbourhood, added_bias, aggregation, edge_scores, first_rows
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, replicated_projection
from workloads.layers.tokens.sequence import sequence_addition, sequence_dropout
from workloads.network import Block, Network
from workloads.operators import Operator, OperatorKind, Split
from workloads.tensors import Tensor

PLANETOID = "Kipf and Welling 2016, table 1"
OGB = "Hu et al. 2020, Open Graph Benchmark, arXiv:2005.00687, table 2"
GRAPHS = {
    graph.name: graph
    for graph in (
        Graph(name="cora", source=PLANETOID, nodes=2708, edges=10_556, features=1433, classes=7),
        Graph(name="citeseer", source=PLANETOID, nodes=3327, edges=9104, features=3703, classes=6),
        Graph(name="pubmed", source=PLANETOID, nodes=19_717, edges=88_648, features=500, classes=3),
        Graph(
            name="reddit",
            source="Hamilton et al. 2017, section 4.1; edges as released with it",
            nodes=232_965,
            edges=114_615_892,
            features=602,
            classes=41,
        ),
        Graph(
            name="reddit-s",
            source="Zeng et al. 2020 (GraphSAINT, arXiv:1907.04931), table 1, both ways of its edges",
            nodes=232_965,
            edges=23_213_838,
            features=602,
            classes=41,
        ),
        Graph(name="ogbn-arxiv", source=OGB, nodes=169_343, edges=2_332_486, features=128, classes=40),
        Graph(name="ogbn-products", source=OGB, nodes=2_449_029, edges=123_718_280, features=100, classes=47),
        Graph(
            name="ogbn-papers100m",
            source=OGB,
            nodes=111_059_956,
            edges=3_231_371_744,
            features=128,
            classes=172,
        ),
    )
}
MODELS = ("gcn", "graphsage", "gat")
FIRST = {
    "narrower": "a product where it narrows the features, else an aggregation",
    "aggregate": "an aggregation of what it reads",
    "multiply": "a product",
}
"""What a layer of a GCN or GraphSAGE does first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphConfig:
    """A graph network.

    Attributes:
        name: registered name.
        model: one of ``MODELS``.
        layers: of the network, at least 1.
        hidden: features of a node between layers (of all heads together).
        heads: of a GAT's layers but the last, which has ``last_heads``.
        last_heads: of a GAT's last layer, whose outputs are averaged.
        fanout: neighbours drawn per node, from the seeds outwards; () for the whole graph.
        batch_norm: normalises between layers.
        dropout: rate before every layer (GCN, GAT) or between layers; 0 for none.
        input_dropout: before the first layer too (Kipf and Welling; programs of frameworks leave it out).
        loops: every node counts as its own neighbour (GCN and GAT).
        first: what a layer does first, a key of ``FIRST``.
    """

    name: str
    model: str
    layers: int
    hidden: int
    heads: int = 8
    last_heads: int = 1
    fanout: tuple[int, ...] = ()
    batch_norm: bool = False
    dropout: float = 0.5
    input_dropout: bool = True
    loops: bool = True
    first: str = "narrower"


def build_graph_network(config: GraphConfig, graph: Graph) -> Network:
    """The network on this graph: one block per layer, then the loss.

    Raises:
        NetworkError: the configuration breaks its rules.
    """
    faults = list(_faults(config))
    if faults:
        raise NetworkError(faults)
    hoods = [_looped(config, hood) for hood in neighbourhoods(graph, config.layers, config.fanout)]
    if not config.fanout:  # every layer works on the same edges
        hoods = [replace(hood, kept=number == 0) for number, hood in enumerate(hoods)]
    blocks, features = [], graph.features
    for number, hood in enumerate(hoods, start=1):
        last = number == config.layers
        width = graph.classes if last else config.hidden
        drops = config.dropout > 0 and (config.input_dropout or number > 1)
        layers = list(_convolution(config, hood, (features, width), drops=drops, last=last))
        if not last:
            layers += _between(config, layers[-1].name, hood.targets, width)
        blocks.append(Block(name=f"conv{number}", layers=tuple(layers)))
        features = width
    rows = hoods[-1].targets
    loss = softmax("loss", Tensor("input", (rows, graph.classes)))
    blocks.append(Block(name="head", layers=(loss,), recomputable=False))
    return Network(
        name=config.name,
        blocks=drop_unused_gradients(blocks),
        source=f"{_SOURCES[config.model]}; {graph.source}",
        sample="node" if config.fanout else "graph",
        parted=graph.nodes,
        part="node",
    )


_SOURCES = {
    "gcn": "Kipf and Welling 2016 (arXiv:1609.02907)",
    "graphsage": "Hamilton et al. 2017 (arXiv:1706.02216)",
    "gat": "Velickovic et al. 2017 (arXiv:1710.10903)",
}


def _looped(config: GraphConfig, hood: Neighbourhood) -> Neighbourhood:
    """With an edge from every target to itself."""
    if config.model == "graphsage" or not config.loops:
        return hood
    return replace(hood, edges=hood.edges + hood.targets)


def _convolution(
    config: GraphConfig, hood: Neighbourhood, size: tuple[int, int], *, drops: bool, last: bool
) -> Iterator[Layer]:
    """One layer between two numbers of features."""
    features, width = size
    source = "input"
    if drops and config.model != "graphsage":
        yield sequence_dropout("dropout", source, steps=hood.sources, features=features, rate=config.dropout)
        source = "dropout"
    if config.model == "gat":
        yield from _attentive(config, hood, size, source, last=last)
        return
    if config.model == "gcn":
        layers = _multiplied(config, hood, features, width, source)
        yield from layers
        yield added_bias("bias", layers[-1].name, rows=hood.targets, features=width)
        return
    yield from _sage(config, hood, features, width, source)


def _multiplied(
    config: GraphConfig, hood: Neighbourhood, features: int, width: int, source: str
) -> tuple[Layer, Layer]:
    """A product and an aggregation, the narrower features aggregated unless the configuration says how."""
    ends = "both" if config.model == "gcn" else ""
    narrows = config.first == "narrower" and width <= features
    if narrows or config.first == "multiply":
        return (
            _linear("linear", source, hood.sources, features, width),
            aggregation("aggregate", "linear", hood, features=width, normalised=ends),
        )
    return (
        aggregation("aggregate", source, hood, features=features, normalised=ends),
        _linear("linear", "aggregate", hood.targets, features, width),
    )


def _sage(
    config: GraphConfig, hood: Neighbourhood, features: int, width: int, source: str
) -> Iterator[Layer]:
    yield first_rows("self", source, rows=hood.targets, features=features)
    yield _linear("self_linear", "self", hood.targets, features, width)
    layers = _multiplied(config, hood, features, width, source)
    yield from layers
    end = layers[-1].name
    yield sequence_addition("sum", end, "self_linear", steps=hood.targets, features=width)
    yield added_bias("bias", "sum", rows=hood.targets, features=width)


def _attentive(
    config: GraphConfig, hood: Neighbourhood, size: tuple[int, int], source: str, *, last: bool
) -> Iterator[Layer]:
    features, width = size
    heads = config.last_heads if last else config.heads
    whole = width * heads if last else width
    yield _linear("linear", source, hood.sources, features, whole)
    yield edge_scores("scores", "linear", hood, heads=heads, features=whole)
    yield aggregation("aggregate", "scores", hood, features=whole, weights=heads)
    end = "aggregate"
    if last and heads > 1:
        elements = hood.targets * whole
        mean = Operator(
            name="mean",
            kind=OperatorKind.REDUCTION,
            flops=elements,
            reads=elements,
            writes=hood.targets * width,
        )
        yield Layer(
            name="heads",
            kind="mean",
            inputs=(end,),
            output_shape=(hood.targets, width),
            forward=(mean,),
            input_gradient=(pointwise("spread", elements, split=Split.REPLICATED),),
        )
        end = "heads"
    yield added_bias("bias", end, rows=hood.targets, features=width)


def _linear(name: str, source: str, rows: int, features: int, width: int) -> Layer:
    return replicated_projection(name, source, Projection(tokens=rows, inputs=features, outputs=width))


def _between(config: GraphConfig, source: str, rows: int, features: int) -> Iterator[Layer]:
    """Normalisation, activation and dropout behind a layer."""
    elements = rows * features
    if config.batch_norm:
        yield _node_norm("norm", source, rows=rows, features=features)
        source = "norm"
    function = "elu" if config.model == "gat" else "relu"
    yield Layer(
        name=function,
        kind="activation",
        inputs=(source,),
        output_shape=(rows, features),
        forward=(pointwise(function, elements, split=Split.REPLICATED),),
        input_gradient=(pointwise(f"{function} gradient", elements, split=Split.REPLICATED, inputs=2),),
        saved=(SavedActivation(name="output", elements=elements),),
        attributes={"function": function},
    )
    if config.dropout and config.model == "graphsage":
        yield sequence_dropout("dropped", function, steps=rows, features=features, rate=config.dropout)


def _node_norm(name: str, source: str, *, rows: int, features: int) -> Layer:
    """Batch normalisation of every feature over nodes."""
    elements, kind = rows * features, OperatorKind.NORMALIZATION
    passes = [
        Operator(
            name=what, kind=kind, flops=work * elements, reads=reads * elements, writes=writes * elements
        )
        for what, work, reads, writes in (
            ("statistics", 3, 1, 0),
            ("normalise", 2, 1, 1),
            ("gradient sums", 5, 2, 0),
            ("input gradient", 4, 2, 1),
        )
    ]
    return Layer(
        name=name,
        kind="node_normalization",
        inputs=(source,),
        output_shape=(rows, features),
        parameters=2 * features,
        forward=tuple(passes[:2]),
        input_gradient=tuple(passes[2:]),
        saved=(SavedActivation(name="input", elements=elements),),
        attributes={"over": "batch"},
    )


def _faults(config: GraphConfig) -> Iterator[str]:
    place = f"network {config.name}"
    if config.model not in MODELS:
        yield f"{place}: model: found {config.model!r}; expected one of {', '.join(MODELS)}"
    for name in ("layers", "hidden", "heads", "last_heads"):
        if getattr(config, name) < 1:
            yield f"{place}: {name}: found {getattr(config, name)}; expected at least 1"
    if config.model == "gat" and config.heads > 0 and config.hidden % config.heads:
        yield f"{place}: hidden: found {config.hidden}; expected a multiple of the {config.heads} heads"
    if config.first not in FIRST:
        yield f"{place}: first: found {config.first!r}; expected one of {', '.join(FIRST)}"
    if not 0 <= config.dropout < 1:
        yield f"{place}: dropout: found {config.dropout}; expected a rate of 0 or more, below 1"


# Hidden sizes and depths: the papers for the citation graphs (two layers of 16, or of 8 heads of 8), the Open
# Graph Benchmark's examples for its own (three layers of 256), DGL's examples for Reddit.
_SMALL, _HEADS, _LARGE = (2, 16), (2, 64), (3, 256)


def _registered() -> Iterator[tuple[str, Callable[[], Network]]]:
    for graph in GRAPHS.values():
        large = graph.name.startswith("ogbn")
        for model in MODELS:
            size = _LARGE if large else _HEADS if model == "gat" else _SMALL
            config = GraphConfig(
                name=f"{model}-{graph.name}",
                model=model,
                batch_norm=graph.name == "ogbn-arxiv" and model != "gat",
                loops=model != "gcn" or not large,
                layers=size[0],
                hidden=size[1],
            )
            yield config.name, partial(build_graph_network, config, graph)
        if large:
            sampled = GraphConfig(
                name=f"graphsage-{graph.name}-sampled",
                model="graphsage",
                fanout=(15, 10, 5),
                layers=_LARGE[0],
                hidden=_LARGE[1],
            )
            yield sampled.name, partial(build_graph_network, sampled, graph)


NETWORKS: dict[str, Callable[..., Network]] = dict(_registered())
