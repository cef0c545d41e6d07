"""Mixtures of experts: router, dispatch of tokens, grouped products of the experts, combination.

Shazeer et al. 2017 (arXiv:1701.06538); Fedus et al. 2021 (arXiv:2101.03961). A router scores every expert for
every token, tokens go to the k best, and their outputs are added up, weighted by the scores. Products of all
experts of a rank are one grouped product: as many as it holds experts, each with the rows of its tokens.

Counts are those of a balanced router; ``Routing.stretch`` says what the busiest rank does. Ways to send
tokens, which a software stack chooses (``dispatch``):

- ``all_to_all``: tokens are copied once per chosen expert, in the order of experts, sent, and sorted by
  expert on arrival (Lepikhin et al. 2020, arXiv:2006.16668; Megatron-Core ``alltoall``);
- ``all_gather``: every rank gets all tokens and picks its own (Megatron-Core ``allgather``);
- ``deduplicated``: a token goes once to each rank that holds some of its experts, and is copied there
  (DeepEP, HybridEP: Megatron-Core ``flex``).
"""

from typing import NamedTuple

from workloads.layer import Layer, SavedActivation, TokenExchange
from workloads.layers.pointwise import bias_gradient, pointwise
from workloads.layers.projection import Projection, sequence_projection
from workloads.operators import (
    Division,
    ExpertSplit,
    MatmulShape,
    Operator,
    OperatorKind,
    Routing,
    Split,
)

ALL_TO_ALL, ALL_GATHER, DEDUPLICATED = "all_to_all", "all_gather", "deduplicated"
DISPATCHES = (ALL_TO_ALL, ALL_GATHER, DEDUPLICATED)
SCORE = 4  # [bytes] of a router's score
ROUTER = "router"


def router(
    name: str, source: str, *, tokens: int, hidden: int, routing: Routing, bias: bool, correction: bool
) -> Layer:
    """Scores of all experts for every token, and the choice of the best.

    Args:
        name: of the layer.
        source: layer it reads; every tensor-parallel rank routes the tokens that it has.
        tokens: of one sequence.
        hidden: features of a token.
        routing: experts and how many are chosen.
        bias: the projection adds one.
        correction: every expert has a bias that balances the choice and is not learned by gradient (DeepSeek
            V3, arXiv:2412.19437, section 2.1.2); counted as a parameter, as the model's file holds it.
    """
    size = Projection(tokens=tokens, inputs=hidden, outputs=routing.experts)
    layer = sequence_projection(name, source, size, bias=bias)
    scores, split = tokens * routing.experts, Split.SEQUENCE
    chosen = tokens * routing.chosen
    choice = (
        _scores("scores", OperatorKind.SOFTMAX, scores, writes=scores, work=5),
        _scores("group scores", OperatorKind.REDUCTION, scores, writes=tokens * routing.groups)
        if routing.groups > 1
        else None,
        _scores("top k", OperatorKind.REDUCTION, scores, writes=2 * chosen),
        _scores("token counts", OperatorKind.REDUCTION, scores, writes=routing.experts),
        _scores("places", OperatorKind.GATHER, scores, writes=chosen),
    )
    return Layer(
        name=name,
        kind="router",
        inputs=(source,),
        output_shape=(tokens, routing.experts),
        parameters=layer.parameters + (routing.experts if correction else 0),
        parameter_split=split,
        forward=(*layer.forward, *(each for each in choice if each is not None)),
        input_gradient=(
            _scores("score gradient", OperatorKind.SOFTMAX, scores, writes=scores, work=4),
            *layer.input_gradient,
            pointwise("gradient sum", tokens * hidden, split=split, inputs=2),
        ),
        weight_gradient=layer.weight_gradient,
        saved=(
            *layer.saved,
            SavedActivation(name="scores", elements=scores, split=split, element_size=SCORE),
        ),
        narrow=False,
        attributes={"experts": routing.experts, "chosen": routing.chosen, "correction": int(correction)},
    )


def dispatch(name: str, sources: tuple[str, str], *, tokens: int, hidden: int, routing: Routing) -> Layer:
    """Sends every token to its experts; their order is that of the grouped products.

    Args:
        name: of the layer.
        sources: layers that give tokens and their experts.
        tokens: of one sequence.
        hidden: features of a token.
        routing: of the tokens.
    """
    moved = tokens * routing.chosen
    rows = moved * hidden
    arrived = ExpertSplit(axis=Split.REPLICATED, routing=routing)
    return Layer(
        name=name,
        kind="dispatch",
        inputs=sources,
        output_shape=(tokens * routing.chosen, hidden),
        parameter_split=arrived,
        forward=(
            _copied("permute", rows, moved, Split.SEQUENCE, reads=rows, dispatch=ALL_TO_ALL),
            _copied("sort", rows, moved, arrived, reads=rows),
        ),
        input_gradient=(
            _copied("sort gradient", rows, moved, arrived, reads=rows),
            _copied(
                "permute gradient", tokens * hidden, moved, Split.SEQUENCE, reads=rows, dispatch=ALL_TO_ALL
            ),
        ),
        token_exchange=TokenExchange(elements=tokens * hidden, routing=routing),
    )


def combine(name: str, source: str, *, tokens: int, hidden: int, routing: Routing) -> Layer:
    """Brings outputs of experts back to their tokens and adds them up, weighted by the router's scores."""
    moved = tokens * routing.chosen
    rows = moved * hidden
    arrived = ExpertSplit(axis=Split.REPLICATED, routing=routing)
    return Layer(
        name=name,
        kind="combine",
        inputs=(source,),
        output_shape=(tokens, hidden),
        forward=(
            _copied("unsort", rows, moved, arrived, reads=rows),
            _copied("unpermute", tokens * hidden, moved, Split.SEQUENCE, reads=rows, dispatch=ALL_TO_ALL),
        ),
        input_gradient=(
            _copied(
                "unpermute gradient", rows, moved, Split.SEQUENCE, reads=tokens * hidden, dispatch=ALL_TO_ALL
            ),
            _copied("unsort gradient", rows, moved, arrived, reads=rows),
        ),
        token_exchange=TokenExchange(elements=tokens * hidden, routing=routing, back=True),
    )


def experts_up(
    name: str, source: str, *, tokens: int, hidden: int, width: int, routing: Routing, bias: bool
) -> Layer:
    """The first projection of every expert, ``hidden`` to ``width`` features.

    Args:
        name: of the layer.
        source: layer that gives the rows of all experts.
        tokens: of one sequence.
        hidden: features of a token.
        width: features behind the projection (both halves of a gated one).
        routing: of the tokens.
        bias: every expert has one.
    """
    return _grouped(name, source, tokens, _Size(hidden, width, routing, Split.COLUMN), bias=bias)


def experts_down(
    name: str, source: str, *, tokens: int, hidden: int, width: int, routing: Routing, bias: bool
) -> Layer:
    """The second projection of every expert, ``width`` back to ``hidden`` features."""
    return _grouped(name, source, tokens, _Size(width, hidden, routing, Split.ROW), bias=bias)


class _Size(NamedTuple):
    """Dimensions of a grouped product: of every expert, and what ranks that share one divide."""

    inputs: int
    outputs: int
    routing: Routing
    axis: Split

    @property
    def weights(self) -> int:
        return self.routing.experts * self.inputs * self.outputs

    def split(self, axis: Split) -> ExpertSplit:
        return ExpertSplit(axis=axis, routing=self.routing)


def _grouped(name: str, source: str, tokens: int, size: _Size, *, bias: bool) -> Layer:
    """One product per expert, (rows of its tokens x inputs) @ (inputs x outputs)."""
    column = size.axis is Split.COLUMN
    rows, biases = tokens * size.routing.chosen, size.routing.experts * size.outputs if bias else 0
    before = size.split(Split.REPLICATED if column else Split.COLUMN)
    behind = size.split(Split.COLUMN if column else Split.REPLICATED)
    forward = [_product("product", rows, size.outputs, size.inputs, size.split(size.axis))]
    weights = [_weight_gradient(size, rows)]
    if bias:
        forward.append(pointwise("bias", rows * size.outputs, split=behind, weights=biases))
        weights.append(bias_gradient(rows * size.outputs, biases, split=behind))
    back = size.split(Split.ROW if column else Split.COLUMN)
    return Layer(
        name=name,
        kind="experts",
        inputs=(source,),
        output_shape=(rows, size.outputs),
        parameters=size.weights + biases,
        parameter_split=size.split(size.axis),
        forward=tuple(forward),
        input_gradient=(_product("input gradient", rows, size.inputs, size.outputs, back),),
        weight_gradient=tuple(weights),
        saved=(SavedActivation(name="input", elements=rows * size.inputs, split=before),),
        attributes={"experts": size.routing.experts, "bias": int(bias)},
    )


def _product(name: str, rows: int, columns: int, depth: int, split: ExpertSplit) -> Operator:
    experts = split.routing.experts
    return Operator(
        name=name,
        kind=OperatorKind.MATMUL,
        flops=2 * rows * columns * depth,
        reads=rows * depth,
        writes=rows * columns,
        weights=experts * columns * depth,
        shape=MatmulShape(rows=rows, columns=columns, depth=depth, products=experts),
        split=split,
    )


def _weight_gradient(size: _Size, tokens: int) -> Operator:
    """Written with the divided dimension as its columns, as in :mod:`workloads.layers.projection`."""
    column = size.axis is Split.COLUMN
    rows, columns = (size.inputs, size.outputs) if column else (size.outputs, size.inputs)
    return Operator(
        name="weight gradient",
        kind=OperatorKind.MATMUL,
        flops=2 * tokens * rows * columns,
        reads=tokens * (rows + columns),
        weights=size.weights,
        shape=MatmulShape(
            rows=rows, columns=columns, depth=tokens, products=size.routing.experts, batch_axis="depth"
        ),
        split=size.split(Split.COLUMN),
    )


def _copied(
    name: str, elements: int, rows: int, split: Division, *, reads: int, dispatch: str = ""
) -> Operator:
    """A kernel that moves rows to other places; where it reads more than it writes, it adds them up."""
    return Operator(
        name=name,
        kind=OperatorKind.GATHER,
        flops=max(0, reads - elements),
        reads=reads,
        writes=elements,
        split=split,
        dispatch=dispatch,
        singles=rows,
    )


def _scores(
    name: str, kind: OperatorKind, elements: int, *, writes: int, work: int = 1, chained: int = 0
) -> Operator:
    return Operator(
        name=name,
        kind=kind,
        flops=work * elements,
        reads=elements,
        writes=writes,
        split=Split.SEQUENCE,
        fusion=ROUTER,
        chained=chained,
        element_size=SCORE,
    )
