"""Activation functions: work in O(N C H W) (Ben-Nun and Hoefler 2018, arXiv:1802.09941, table 4).

ReLU (plain or leaky), sigmoid and tanh are differentiated from their outputs, so the output is kept and the
input is not: they run in place. SiLU, GELU and the piecewise-linear functions of MobileNetV3 (Howard et al.
2019, arXiv:1905.02244, section 5.2) are not monotone or flat at both ends, so their input is kept. So is that
of ReLU capped at six, although its output would do: PyTorch's ``hardtanh_`` copies it before it writes in
place (``hardtanh_backward(grad, self)``), which the tensors that autograd saves show.
"""

from collections.abc import Mapping
from types import MappingProxyType

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.operators import Split
from workloads.tensors import Tensor

WORK: Mapping[str, int] = MappingProxyType(
    {
        "relu": 1,
        "relu6": 2,
        "leaky_relu": 2,
        "sigmoid": 3,
        "tanh": 4,
        "silu": 4,
        "gelu": 8,
        "hardsigmoid": 4,
        "hardswish": 5,
    }
)
"""[FLOP] per element, forward; nominal, because bytes price these kernels."""

FROM_OUTPUT = frozenset({"relu", "leaky_relu", "sigmoid", "tanh"})
"""Functions that are differentiated from their output."""


def activation(name: str, source: Tensor, *, function: str) -> Layer:
    """A function of ``WORK``, in place where its gradient needs the output alone."""
    count, work = source.elements, WORK[function]
    gradient = pointwise(f"{function} gradient", count, split=Split.REPLICATED, inputs=2, work=work)
    kept = "output" if function in FROM_OUTPUT else "input"
    return Layer(
        name=name,
        kind="activation",
        inputs=(source.name,),
        output_shape=source.shape,
        forward=(pointwise(function, count, split=Split.REPLICATED, work=work),),
        input_gradient=(gradient,),
        saved=(SavedActivation(name=kept, elements=count),),
        attributes={"function": function},
    )


def relu(name: str, source: Tensor) -> Layer:
    """max(x, 0) in place."""
    return activation(name, source, function="relu")


def sigmoid(name: str, source: Tensor) -> Layer:
    """1 / (1 + exp(-x)): exponential, addition and division."""
    return activation(name, source, function="sigmoid")


def tanh(name: str, source: Tensor) -> Layer:
    """Hyperbolic tangent: exponential, two additions and a division."""
    return activation(name, source, function="tanh")
