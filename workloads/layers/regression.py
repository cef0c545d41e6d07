"""Mean squared error of a few numbers, the end of a network that regresses."""

from workloads.layer import Layer, SavedActivation
from workloads.operators import Operator, OperatorKind
from workloads.tensors import Tensor


def squared_error(name: str, source: Tensor) -> Layer:
    """The mean of squared differences; the gradient reads predictions and targets again."""
    count = source.elements
    return Layer(
        name=name,
        kind="regression",
        inputs=(source.name,),
        output_shape=(1,),
        forward=(
            Operator(
                name="squared error", kind=OperatorKind.REDUCTION, flops=3 * count, reads=2 * count, writes=1
            ),
        ),
        input_gradient=(
            Operator(
                name="difference",
                kind=OperatorKind.ELEMENTWISE,
                flops=2 * count,
                reads=2 * count,
                writes=count,
            ),
        ),
        saved=(SavedActivation(name="output", elements=count),),
    )
