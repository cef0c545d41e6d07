"""Softmax over the classes with cross-entropy, the end of every image classifier.

Five operations a class (maximum, subtraction, exponential, sum, division); the gradient p - y takes one.
"""

from workloads.layer import Layer, SavedActivation
from workloads.operators import Operator, OperatorKind
from workloads.tensors import Tensor


def softmax(name: str, source: Tensor) -> Layer:
    """Class probabilities and their loss; the probabilities are kept."""
    count = source.elements
    return Layer(
        name=name,
        kind="softmax",
        inputs=(source.name,),
        output_shape=source.shape,
        forward=(_operator("softmax", 5 * count, count),),
        input_gradient=(_operator("softmax gradient", count, count),),
        saved=(SavedActivation(name="output", elements=count),),
    )


def _operator(name: str, work: int, count: int) -> Operator:
    return Operator(name=name, kind=OperatorKind.SOFTMAX, flops=work, reads=count, writes=count)
