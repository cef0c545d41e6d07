"""Joins (residual addition, concatenation of channels) and the gradient sum where a tensor forks."""

from workloads.errors import NetworkError
from workloads.layer import Layer
from workloads.operators import Operator, OperatorKind
from workloads.tensors import Tensor


def addition(name: str, *sources: Tensor) -> Layer:
    """Sum of equal tensors. Its gradient is its inputs' gradient, so the backward pass runs nothing.

    Raises:
        NetworkError: the shapes differ.
    """
    shapes = {source.shape for source in sources}
    if len(shapes) != 1:
        raise NetworkError([f"{name}: adds shapes {sorted(shapes)}; expected equal ones"])
    count = sources[0].elements
    return Layer(
        name=name,
        kind="addition",
        inputs=tuple(source.name for source in sources),
        output_shape=sources[0].shape,
        forward=(_operator("add", (len(sources) - 1) * count, reads=len(sources) * count, writes=count),),
    )


def concatenation(name: str, *sources: Tensor) -> Layer:
    """Channels of all sources behind one another: copied together forward, apart backward.

    Raises:
        NetworkError: heights or widths differ.
    """
    if len({source.shape[1:] for source in sources}) != 1:
        found = ", ".join(str(source.shape) for source in sources)
        raise NetworkError([f"{name}: joins shapes {found}; expected equal heights and widths"])
    count = sum(source.elements for source in sources)
    return Layer(
        name=name,
        kind="concatenation",
        inputs=tuple(source.name for source in sources),
        output_shape=(sum(source.shape[0] for source in sources), *sources[0].shape[1:]),
        forward=(_operator("concatenate", 0, reads=count, writes=count),),
        input_gradient=(_operator("separate", 0, reads=count, writes=count),),
    )


def gradient_sum(count: int) -> Operator:
    """Adds one more branch's gradient of a forked tensor of ``count`` elements."""
    return _operator("gradient sum", count, reads=2 * count, writes=count)


def _operator(name: str, work: int, *, reads: int, writes: int) -> Operator:
    return Operator(name=name, kind=OperatorKind.ELEMENTWISE, flops=work, reads=reads, writes=writes)
