"""Dropout of maps and vectors (Srivastava et al. 2014); its mask of one byte an element is kept."""

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import dropout as dropout_operator
from workloads.layers.pointwise import dropout_gradient
from workloads.operators import Split
from workloads.tensors import Tensor

RATE = 0.5
"""Share of hidden units dropped, as Srivastava et al. 2014 and AlexNet do."""


def dropout(name: str, source: Tensor) -> Layer:
    """Zeroes random elements and scales the others."""
    return Layer(
        name=name,
        kind="dropout",
        inputs=(source.name,),
        output_shape=source.shape,
        forward=(dropout_operator(source.elements, split=Split.REPLICATED, rate=RATE),),
        input_gradient=(dropout_gradient(source.elements, split=Split.REPLICATED),),
        saved=(SavedActivation(name="mask", elements=source.elements, element_size=1),),
        attributes={"rate": RATE},
    )
