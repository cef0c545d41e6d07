"""Kernels of transformer layers with little arithmetic per activation element, priced by their bytes.

A dropout mask takes one byte an element; next to 16-bit activations it counts as half an element.
"""

from workloads.operators import Division, Operator, OperatorKind

DROPOUT_RATE = 0.1
"""Share of elements dropped in transformers: Vaswani et al. 2017, section 5.4; Devlin et al. 2018, A.2."""


def pointwise(
    name: str,
    elements: int,
    *,
    split: Division,
    inputs: int = 1,
    fusion: str = "",
    chained: int = 0,
    weights: int = 0,
    work: int = 1,
) -> Operator:
    """A kernel that reads ``inputs`` equal tensors and writes one.

    Args:
        name: of the operator.
        elements: per sample and tensor.
        split: how tensor parallelism divides it.
        inputs: tensors read.
        fusion: group it may be fused with.
        chained: how many of the inputs come from the operator before it in the group.
        weights: parameters read (a bias).
        work: [FLOP] per element.
    """
    return Operator(
        name=name,
        kind=OperatorKind.ELEMENTWISE,
        flops=work * elements,
        reads=inputs * elements,
        writes=elements,
        weights=weights,
        split=split,
        fusion=fusion,
        chained=chained * elements,
    )


def dropout(
    elements: int,
    *,
    split: Division,
    fusion: str = "",
    chained: int = 0,
    name: str = "dropout",
    rate: float = DROPOUT_RATE,
) -> Operator:
    """Dropout forward: draw, scale, write the output and its mask.

    A processor that branches on each draw guesses the likelier outcome, and is wrong as often as the other
    comes.
    """
    return Operator(
        name=name,
        kind=OperatorKind.ELEMENTWISE,
        flops=2 * elements,
        reads=elements,
        writes=elements + elements // 2,
        split=split,
        fusion=fusion,
        chained=chained * elements,
        singles=round(elements * min(rate, 1 - rate)),
    )


def dropout_gradient(elements: int, *, split: Division) -> Operator:
    """Dropout backward: read the gradient and the mask, write the masked gradient."""
    return Operator(
        name="dropout gradient",
        kind=OperatorKind.ELEMENTWISE,
        flops=2 * elements,
        reads=elements + elements // 2,
        writes=elements,
        split=split,
    )


def bias_gradient(elements: int, bias: int, *, split: Division) -> Operator:
    """Sum of the output gradient over the tokens."""
    return Operator(
        name="bias gradient",
        kind=OperatorKind.REDUCTION,
        flops=elements,
        reads=elements,
        weights=bias,
        split=split,
    )
