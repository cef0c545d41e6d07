"""Additive attention of a recurrent decoder: score = v . tanh(W q + U k + b).

Bahdanau et al. 2014 (arXiv:1409.0473), section 3.1, with a normalised v and a bias (Salimans and Kingma 2016;
option ``normalised`` of public GNMT code). Every pair of a query and a key has a vector of as many features
as there are units, which frameworks write to memory, add up, squash and multiply with v: far more traffic
than arithmetic.
"""

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.operators import MatmulShape, Operator, OperatorKind, Split

WHOLE = Split.REPLICATED


def additive_attention(
    name: str, source: str, memory: str, *, queries: int, keys: int, units: int, normalised: bool = False
) -> Layer:
    """A context of ``units`` features for every query.

    Args:
        name: of the layer.
        source: layer that gives the queries.
        memory: layer that gives keys and values, of as many features.
        queries: steps of the decoder.
        keys: steps of the encoder.
        units: features of queries, keys, values and scores.
        normalised: v has a length of its own, and sums a bias.
    """
    square = units * units
    return Layer(
        name=name,
        kind="additive_attention",
        inputs=(source, memory),
        output_shape=(queries, units),
        parameters=2 * square + units + (units + 1 if normalised else 0),
        forward=_forward(queries, keys, units),
        input_gradient=_input_gradient(queries, keys, units),
        weight_gradient=_weight_gradient(queries, keys, units),
        saved=(
            SavedActivation(name="input", elements=queries * units),
            SavedActivation(name="pairs", elements=queries * keys * units),
            SavedActivation(name="probabilities", elements=queries * keys),
        ),
    )


def _forward(queries: int, keys: int, units: int) -> tuple[Operator, ...]:
    pairs, scores = queries * keys * units, queries * keys
    return (
        _matmul("query product", MatmulShape(rows=queries, columns=units, depth=units)),
        _matmul("key product", MatmulShape(rows=keys, columns=units, depth=units)),
        _stream("pair sum", pairs, reads=(queries + keys) * units, writes=pairs),
        pointwise("bias", pairs, split=WHOLE),
        pointwise("tanh", pairs, split=WHOLE, work=4),
        _stream("score", 2 * pairs, reads=pairs, writes=scores),
        Operator(name="softmax", kind=OperatorKind.SOFTMAX, flops=5 * scores, reads=scores, writes=scores),
        _pairs_product("context", (queries, units, keys)),
    )


def _input_gradient(queries: int, keys: int, units: int) -> tuple[Operator, ...]:
    pairs, scores = queries * keys * units, queries * keys
    return (
        _pairs_product("probability gradient", (queries, keys, units)),
        _pairs_product("value gradient", (keys, units, queries)),
        Operator(
            name="softmax gradient",
            kind=OperatorKind.SOFTMAX,
            flops=4 * scores,
            reads=2 * scores,
            writes=scores,
        ),
        _stream("score gradient", pairs, reads=scores, writes=pairs),
        pointwise("tanh gradient", pairs, split=WHOLE, inputs=2, work=3),
        _sum("query sum", pairs, writes=queries * units),
        _sum("key sum", pairs, writes=keys * units),
        _matmul("query gradient", MatmulShape(rows=queries, columns=units, depth=units)),
        _matmul("key gradient", MatmulShape(rows=keys, columns=units, depth=units)),
        pointwise("gradient sum", (queries + keys) * units, split=WHOLE, inputs=2),
    )


def _weight_gradient(queries: int, keys: int, units: int) -> tuple[Operator, ...]:
    pairs = queries * keys * units
    return (
        _matmul(
            "query weight gradient",
            MatmulShape(rows=units, columns=units, depth=queries, batch_axis="depth"),
        ),
        _matmul(
            "key weight gradient", MatmulShape(rows=units, columns=units, depth=keys, batch_axis="depth")
        ),
        _sum("vector gradient", pairs, writes=0),
        _sum("bias gradient", pairs, writes=0),
    )


def _matmul(name: str, shape: MatmulShape) -> Operator:
    rows, columns, depth = shape.rows, shape.columns, shape.depth
    backward = shape.batch_axis == "depth"
    return Operator(
        name=name,
        kind=OperatorKind.MATMUL,
        flops=2 * rows * columns * depth,
        reads=(rows + columns) * depth if backward else rows * depth,
        writes=0 if backward else rows * columns,
        weights=rows * columns if backward else columns * depth,
        shape=shape,
    )


def _pairs_product(name: str, extents: tuple[int, int, int]) -> Operator:
    rows, columns, depth = extents
    return Operator(
        name=name,
        kind=OperatorKind.MATMUL,
        flops=2 * rows * columns * depth,
        reads=depth * (rows + columns),
        writes=rows * columns,
        shape=MatmulShape(rows=rows, columns=columns, depth=depth, batch_axis="products"),
    )


def _stream(name: str, flops: int, *, reads: int, writes: int) -> Operator:
    return Operator(name=name, kind=OperatorKind.ELEMENTWISE, flops=flops, reads=reads, writes=writes)


def _sum(name: str, pairs: int, *, writes: int) -> Operator:
    return Operator(name=name, kind=OperatorKind.REDUCTION, flops=pairs, reads=pairs, writes=writes)
