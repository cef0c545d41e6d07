"""Layers of graph networks: aggregation over edges, and attention on them.

Aggregation adds the features of the sources of all edges at their targets. A framework gathers a message per
edge, writes it, and scatters the messages (Fey and Lenssen 2019, arXiv:1903.02428, section 3); one sparse
product does the same without writing messages (Wang et al. 2019, DGL, arXiv:1909.01315, section 3.3; fusion
group ``spmm``). Either way the bytes decide: every edge reads its source's features again. Its gradient is
the same along reversed edges. Edges themselves are two 8-byte indices each. A sparse product reads them
sorted by target, its gradient by source, and both orders stay beside the edges as they were given (DGL,
src/graph/unit_graph.cc: COO, CSC and CSR are made when they are first asked for).
"""

from dataclasses import dataclass

from workloads.exchange import Halo
from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import bias_gradient, pointwise
from workloads.operators import Operator, OperatorKind, Split

SPMM = "spmm"
INDEX = 8  # [bytes] of one end of an edge
WHOLE = Split.REPLICATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """The edges that one layer works on, of one sample.

    Attributes:
        sources: nodes whose features are read.
        targets: nodes that get new ones; they are the first of the sources.
        edges: from sources to targets.
        halo: what parts of the graph read of each other, features left open; None for a graph in one part.
        kept: its edges are kept for this layer; those of a whole graph are kept once for all.
    """

    sources: int
    targets: int
    edges: int
    halo: tuple[float, int] | None = None
    kept: bool = True

    def exchange(self, features: int) -> Halo | None:
        """What parts exchange of so many features of a node."""
        if self.halo is None:
            return None
        cut, parts = self.halo
        return Halo(nodes=self.sources, edges=self.edges, features=features, cut=cut, parts=parts)


def aggregation(
    name: str, source: str, hood: Neighbourhood, *, features: int, weights: int = 0, normalised: str = ""
) -> Layer:
    """Sums (or means) of the features of a node's neighbours.

    Args:
        name: of the layer.
        source: layer that gives the features.
        hood: the edges.
        features: of a node.
        weights: numbers per edge that scale its message (heads of an attention), which are kept.
        normalised: by the degrees of ``"both"`` ends of an edge (GCN); ``""`` by its target's or not at all.
    """
    edges, targets = hood.edges, hood.targets
    scaled = edges * weights
    messages, kept = edges * features, []
    if weights:  # their gradient needs what they scale
        kept = [
            SavedActivation(name="weights", elements=scaled),
            SavedActivation(name="messages", elements=messages, fusion=SPMM),
        ]
    if hood.kept:
        kept += [
            SavedActivation(name="edges", elements=edges, element_size=2 * INDEX),
            SavedActivation(name="sorted edges", elements=2 * edges, element_size=2 * INDEX, kernel=SPMM),
        ]
    backward = [
        pointwise("scale gradient", targets * features, split=WHOLE),
        *_spread(edges, hood.sources, features, scaled),
    ]
    if weights:  # the gradient of an edge's weight: a dot product of its ends
        backward.append(
            Operator(
                name="edge gradient",
                kind=OperatorKind.GATHER,
                flops=2 * edges * features,
                reads=2 * edges * features,
                writes=scaled,
            )
        )
    return Layer(
        name=name,
        kind="aggregation",
        inputs=(source,),
        output_shape=(targets, features),
        forward=(
            *_spread(edges, targets, features, scaled),
            pointwise("scale", targets * features, split=WHOLE),
        ),
        input_gradient=tuple(backward),
        saved=tuple(kept),
        exchange=hood.exchange(features),
        attributes={"edges": edges, "sources": hood.sources, "targets": targets, "normalised": normalised},
    )


def edge_scores(name: str, source: str, hood: Neighbourhood, *, heads: int, features: int) -> Layer:
    """Attention of a GAT: leaky ReLU of a . z at both ends of an edge, softmax over a target's edges.

    Velickovic et al. 2017 (arXiv:1710.10903), equations 1 to 3; ``features`` of all heads together. The
    layer passes on the features; its scores are kept by the aggregation that reads them.
    """
    nodes, edges = hood.sources * features, hood.edges * heads
    forward = (
        _stream("score of ends", 4 * nodes, reads=2 * nodes, writes=2 * hood.sources * heads),
        _edge("edge score", edges, reads=2, work=2),
        _edge("largest", edges, reads=1, work=1, writes=0),
        _edge("exponential", edges, reads=2, work=2),
        _edge("sum", edges, reads=1, work=1, writes=0),
        _edge("normalise", edges, reads=2, work=1),
    )
    backward = (
        _edge("softmax gradient", edges, reads=3, work=4),
        _edge("score gradient", edges, reads=2, work=1),
        _edge("gather gradients", edges, reads=2, work=2, writes=0),
        _stream("end gradient", 2 * nodes, reads=nodes, writes=nodes),
    )
    return Layer(
        name=name,
        kind="edge_attention",
        inputs=(source,),
        output_shape=(hood.sources, features),
        parameters=2 * features,
        forward=forward,
        input_gradient=backward,
        weight_gradient=(bias_gradient(2 * nodes, 2 * features, split=WHOLE),),
        saved=(
            SavedActivation(name="features", elements=nodes),
            SavedActivation(name="scores", elements=2 * edges),
        ),
        attributes={"heads": heads},
    )


def added_bias(name: str, source: str, *, rows: int, features: int) -> Layer:
    """A bias behind an aggregation."""
    elements = rows * features
    return Layer(
        name=name,
        kind="bias",
        inputs=(source,),
        output_shape=(rows, features),
        parameters=features,
        forward=(pointwise("bias", elements, split=WHOLE, weights=features),),
        weight_gradient=(bias_gradient(elements, features, split=WHOLE),),
    )


def first_rows(name: str, source: str, *, rows: int, features: int) -> Layer:
    """The targets among the sources: the first rows. A view; its gradient is added to the others'."""
    elements = rows * features
    return Layer(
        name=name,
        kind="view",
        inputs=(source,),
        output_shape=(rows, features),
        input_gradient=(pointwise("gradient sum", elements, split=WHOLE, inputs=2),),
    )


def _spread(edges: int, targets: int, features: int, scaled: int) -> tuple[Operator, Operator]:
    """Messages of all edges and their sums, from either end; features are read along edges."""
    messages = edges * features
    return (
        Operator(
            name="gather",
            kind=OperatorKind.GATHER,
            flops=messages if scaled else 0,
            reads=messages + scaled + edges * INDEX // 4,
            writes=messages,
            fusion=SPMM,
            singles=edges,
        ),
        Operator(
            name="scatter",
            kind=OperatorKind.GATHER,
            flops=messages,
            reads=messages + edges * INDEX // 4,
            writes=targets * features,
            fusion=SPMM,
            chained=messages,
            singles=edges,
        ),
    )


def _edge(name: str, edges: int, *, reads: int, work: int, writes: int = 1) -> Operator:
    return Operator(
        name=name,
        kind=OperatorKind.GATHER,
        flops=work * edges,
        reads=reads * edges,
        writes=writes * edges,
    )


def _stream(name: str, flops: int, *, reads: int, writes: int) -> Operator:
    return Operator(name=name, kind=OperatorKind.ELEMENTWISE, flops=flops, reads=reads, writes=writes)
