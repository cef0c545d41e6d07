"""Activation functions between the two projections of a feed-forward network, plain or gated.

Plain: Y = f(X + b) with X (tokens x ffn). Gated: Y = f(G) * U with (G, U) the halves of X (tokens x 2 ffn),
as in SwiGLU (Shazeer 2020, arXiv:2002.05202). The bias of the projection before is added here, where
frameworks fuse it with the function, so its parameters count here. Kept for the backward pass: the
function's input, and f(G) where the gate multiplies it in a kernel of its own (derivatives.yaml of PyTorch:
``mul`` keeps both factors).
"""

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import bias_gradient, pointwise
from workloads.operators import Division, Operator, OperatorKind, Split

# [FLOP] per element, forward; priced by bytes, so the counts are nominal: GELU by its tanh form.
ACTIVATIONS = {"gelu": 8, "relu": 1, "relu2": 2, "silu": 4, "tanh": 4, "xielu": 8}
LEARNED = {"xielu": 2}
"""Numbers that a function learns in every layer (xIELU's two slopes, Huang and Schlag 2024,
arXiv:2411.13010)."""


def plain_activation(
    name: str,
    source: str,
    *,
    tokens: int,
    width: int,
    function: str,
    bias: bool,
    split: Division = Split.COLUMN,
) -> Layer:
    """f(X + b) on ``tokens`` x ``width`` elements; ``function`` is a key of ``ACTIVATIONS``."""
    elements, work = tokens * width, ACTIVATIONS[function]
    fusion = f"bias_{function}" if bias else ""
    forward = [pointwise(function, elements, split=split, fusion=fusion, chained=int(bias), work=work)]
    if bias:
        forward.insert(0, pointwise("bias", elements, split=split, fusion=fusion, weights=width))
    gradient = pointwise(f"{function} gradient", elements, split=split, inputs=2, work=2 * work)
    learned = LEARNED.get(function, 0)
    sums = (width if bias else 0) + learned
    return Layer(
        name=name,
        kind="activation",
        inputs=(source,),
        output_shape=(tokens, width),
        parameters=sums,
        parameter_split=split if bias else Split.REPLICATED,
        forward=tuple(forward),
        input_gradient=(gradient,),
        weight_gradient=(bias_gradient(elements, sums, split=split),) if sums else (),
        saved=(SavedActivation(name="input", elements=elements, split=split),),
        attributes={"function": function},
    )


def gated_activation(
    name: str,
    source: str,
    *,
    tokens: int,
    width: int,
    function: str,
    bias: bool,
    split: Division = Split.COLUMN,
) -> Layer:
    """f(G + b) * (U + c) on two halves of ``tokens`` x ``width`` elements each."""
    elements = tokens * width
    fusion = {"silu": "swiglu", "gelu": "geglu"}.get(function, f"gated_{function}")
    return Layer(
        name=name,
        kind="activation",
        inputs=(source,),
        output_shape=(tokens, width),
        parameters=2 * width if bias else 0,
        parameter_split=split,
        forward=_gated_forward(elements, width, function, fusion, bias=bias, split=split),
        input_gradient=_gated_backward(elements, function, fusion, split),
        weight_gradient=(bias_gradient(2 * elements, 2 * width, split=split),) if bias else (),
        saved=(
            SavedActivation(name="input", elements=2 * elements, split=split),
            SavedActivation(name="activated", elements=elements, split=split, fusion=fusion),
        ),
        attributes={"function": function, "gated": 1},
    )


def _gated_forward(
    elements: int, width: int, function: str, fusion: str, *, bias: bool, split: Division
) -> tuple[Operator, ...]:
    operators = [
        pointwise(
            function, elements, split=split, fusion=fusion, chained=int(bias), work=ACTIVATIONS[function]
        ),
        pointwise("gate", elements, split=split, fusion=fusion, inputs=2, chained=1),
    ]
    if bias:
        operators.insert(0, pointwise("bias", 2 * elements, split=split, fusion=fusion, weights=2 * width))
    return tuple(operators)


def _gated_backward(elements: int, function: str, fusion: str, split: Division) -> tuple[Operator, ...]:
    product = Operator(
        name="gate gradient",
        kind=OperatorKind.ELEMENTWISE,
        flops=2 * elements,
        reads=3 * elements,
        writes=2 * elements,
        split=split,
        fusion=fusion,
    )
    work = 2 * ACTIVATIONS[function]
    return (
        product,
        pointwise(
            f"{function} gradient",
            elements,
            split=split,
            fusion=fusion,
            inputs=2,
            chained=1,
            work=work,
        ),
    )
