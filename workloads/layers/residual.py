"""The end of a transformer branch: bias, dropout and the addition to the residual stream.

Y = R + dropout(X + b). The bias follows a row projection (its ranks must have summed X first), so every
tensor-parallel rank holds the whole of it. Kept: the dropout mask, one byte an element.
"""

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import DROPOUT_RATE, bias_gradient, dropout, dropout_gradient, pointwise
from workloads.operators import Operator, Split

FUSION = "bias_dropout_add"


def residual_addition(
    name: str, branch: str, residual: str, *, tokens: int, hidden: int, bias: bool, drop: bool
) -> Layer:
    """Adds a branch to the residual stream, both ``tokens`` x ``hidden``.

    Args:
        name: of the layer.
        branch: layer that gives X.
        residual: layer that gives R.
        tokens: of one sequence.
        hidden: features of the residual stream.
        bias: adds the bias of the projection before.
        drop: applies dropout to the branch.
    """
    elements = tokens * hidden
    return Layer(
        name=name,
        kind="residual",
        inputs=(branch, residual),
        output_shape=(tokens, hidden),
        parameters=hidden if bias else 0,
        forward=_forward(elements, hidden, bias=bias, drop=drop),
        input_gradient=(dropout_gradient(elements, split=Split.SEQUENCE),) if drop else (),
        weight_gradient=(bias_gradient(elements, hidden, split=Split.SEQUENCE),) if bias else (),
        saved=dropout_mask(elements) if drop else (),
        attributes={"rate": DROPOUT_RATE if drop else 0.0},
    )


def output_bias(
    name: str, source: str, *, tokens: int, features: int, split: Split = Split.SEQUENCE
) -> Layer:
    """Adds the bias of a row projection where something else than the residual addition follows.

    Args:
        name: of the layer.
        source: layer that it adds to.
        tokens: rows.
        features: columns.
        split: how they are divided; ``COLUMN`` behind a column projection with another layer's weights.
    """
    elements = tokens * features
    return Layer(
        name=name,
        kind="bias",
        inputs=(source,),
        output_shape=(tokens, features),
        parameters=features,
        parameter_split=Split.COLUMN if split is Split.COLUMN else Split.REPLICATED,
        forward=(pointwise("bias", elements, split=split, weights=features),),
        weight_gradient=(bias_gradient(elements, features, split=split),),
    )


def dropout_mask(elements: int) -> tuple[SavedActivation, ...]:
    """The mask that dropout on the residual stream keeps."""
    return (SavedActivation(name="dropout mask", elements=elements, split=Split.SEQUENCE, element_size=1),)


def _forward(elements: int, hidden: int, *, bias: bool, drop: bool) -> tuple[Operator, ...]:
    split, fusion = Split.SEQUENCE, FUSION if bias or drop else ""
    operators = []
    if bias:
        operators.append(pointwise("bias", elements, split=split, fusion=fusion, weights=hidden))
    if drop:
        operators.append(dropout(elements, split=split, fusion=fusion, chained=int(bias)))
    operators.append(
        pointwise("add", elements, split=split, fusion=fusion, inputs=2, chained=int(bias or drop))
    )
    return tuple(operators)
