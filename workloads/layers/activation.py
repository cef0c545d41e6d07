"""Activation functions: work in O(N C H W) (Ben-Nun and Hoefler 2018, arXiv:1802.09941, table 4).

ReLU, sigmoid and tanh are differentiated from their outputs, so the output is kept and the input is not:
they run in place.
"""

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.operators import Split
from workloads.tensors import Tensor


def relu(name: str, source: Tensor) -> Layer:
    """max(x, 0) in place."""
    return _activation(name, source, "relu", work=1)


def sigmoid(name: str, source: Tensor) -> Layer:
    """1 / (1 + exp(-x)): exponential, addition and division."""
    return _activation(name, source, "sigmoid", work=3)


def tanh(name: str, source: Tensor) -> Layer:
    """Hyperbolic tangent: exponential, two additions and a division."""
    return _activation(name, source, "tanh", work=4)


def _activation(name: str, source: Tensor, function: str, *, work: int) -> Layer:
    count = source.elements
    gradient = pointwise(f"{function} gradient", count, split=Split.REPLICATED, inputs=2, work=work)
    return Layer(
        name=name,
        kind="activation",
        inputs=(source.name,),
        output_shape=source.shape,
        forward=(pointwise(function, count, split=Split.REPLICATED, work=work),),
        input_gradient=(gradient,),
        saved=(SavedActivation(name="output", elements=count),),
        attributes={"function": function},
    )
