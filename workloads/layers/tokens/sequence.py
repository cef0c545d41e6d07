"""Small layers between recurrent ones: dropout, addition and joining of sequences of features."""

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import dropout, dropout_gradient, pointwise
from workloads.operators import Operator, OperatorKind, Split

WHOLE = Split.REPLICATED


def sequence_dropout(name: str, source: str, *, steps: int, features: int, rate: float) -> Layer:
    """Dropout on ``steps`` x ``features`` elements."""
    elements = steps * features
    return Layer(
        name=name,
        kind="dropout",
        inputs=(source,),
        output_shape=(steps, features),
        forward=(dropout(elements, split=WHOLE, rate=rate),),
        input_gradient=(dropout_gradient(elements, split=WHOLE),),
        saved=(SavedActivation(name="mask", elements=elements, element_size=1),),
        attributes={"rate": rate},
    )


def sequence_addition(name: str, branch: str, residual: str, *, steps: int, features: int) -> Layer:
    """Adds a branch to what it read; their gradients are added up too."""
    elements = steps * features
    return Layer(
        name=name,
        kind="addition",
        inputs=(branch, residual),
        output_shape=(steps, features),
        forward=(pointwise("add", elements, split=WHOLE, inputs=2),),
        input_gradient=(pointwise("gradient sum", elements, split=WHOLE, inputs=2),),
    )


def sequence_join(name: str, sources: tuple[str, str], *, steps: int, features: int) -> Layer:
    """Features of two sequences side by side, ``features`` together."""
    elements = steps * features
    copies = [
        Operator(name=what, kind=OperatorKind.ELEMENTWISE, flops=0, reads=elements, writes=elements)
        for what in ("concatenate", "separate")
    ]
    return Layer(
        name=name,
        kind="join",
        inputs=sources,
        output_shape=(steps, features),
        forward=(copies[0],),
        input_gradient=(copies[1],),
    )
