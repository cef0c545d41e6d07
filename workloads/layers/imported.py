"""Layers of graphs that other tools export: products of any rank, and kernels known by their bytes alone.

An operator without a rule of its own reads its inputs and writes its output once forward, and reads gradient
and inputs and writes their gradients backward, at one operation an element.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from workloads.layer import Layer, SavedActivation
from workloads.layers.projection import Projection, replicated_projection
from workloads.layers.recurrent import Cell, recurrent
from workloads.operators import MatmulShape, Operator, OperatorKind
from workloads.tensors import Tensor


def product(
    name: str, *sources: Tensor, rows: int, columns: int, depth: int, products: int = 1, shape: Sequence[int]
) -> Layer:
    """The product of two activations: ``products`` of (rows x depth) by (depth x columns)."""
    left, right = products * rows * depth, products * depth * columns
    out = products * rows * columns
    work = 2 * products * rows * columns * depth
    plain = Operator(
        name="product",
        kind=OperatorKind.MATMUL,
        flops=work,
        reads=left + right,
        writes=out,
        shape=_shape(rows, columns, depth, products),
    )
    backward = (
        replace(
            plain,
            name="left gradient",
            reads=out + right,
            writes=left,
            shape=_shape(rows, depth, columns, products),
        ),
        replace(
            plain,
            name="right gradient",
            reads=out + left,
            writes=right,
            shape=_shape(depth, columns, rows, products),
        ),
    )
    return Layer(
        name=name,
        kind="product",
        inputs=_names(sources),
        output_shape=tuple(shape),
        forward=(plain,),
        input_gradient=backward,
        saved=tuple(
            SavedActivation(name=what, elements=count) for what, count in (("left", left), ("right", right))
        ),
    )


def _shape(rows: int, columns: int, depth: int, products: int) -> MatmulShape:
    return MatmulShape(rows=rows, columns=columns, depth=depth, products=products, batch_axis="products")


def lowered(
    name: str, source: Tensor, *, rows: int, depth: int, columns: int, bias: int, shape: Sequence[int]
) -> Layer:
    """A product that an operator amounts to, of ``rows`` gathered rows with weights of depth x columns."""
    size = Projection(tokens=rows, inputs=depth, outputs=columns)
    layer = replicated_projection(name, source.name, size)
    return replace(
        layer,
        parameters=layer.parameters + bias,
        output_shape=tuple(shape),
        saved=(SavedActivation(name="input", elements=source.elements),),
    )


def recurrence(name: str, source: Tensor, *, kind: str, hidden: int, directions: int, biases: int) -> Layer:
    """A recurrent layer over a source of (steps, features); arguments as of a `Cell`."""
    steps, inputs = source.shape
    cell = Cell(kind=kind, steps=steps, inputs=inputs, hidden=hidden, directions=directions, biases=biases)
    return recurrent(name, source.name, cell)


def streaming(
    name: str,
    *sources: Tensor,
    operation: str,
    shape: Sequence[int],
    parameters: int = 0,
    kept: bool = True,
    known: bool = False,
) -> Layer:
    """An operator priced by its bytes.

    Args:
        name: of the layer.
        sources: what it reads.
        operation: what the file calls it.
        shape: of its output, per sample.
        parameters: trained elements that it reads.
        kept: its inputs are kept for the backward pass.
        known: bytes are all that counts of it.
    """
    count, read = prod(shape), sum(source.elements for source in sources)
    gradient = Operator(
        name="parameter gradient", kind=OperatorKind.REDUCTION, flops=count, reads=count, weights=parameters
    )
    return Layer(
        name=name,
        kind="imported",
        inputs=_names(sources),
        output_shape=tuple(shape),
        parameters=parameters,
        forward=(_stream(operation, count, reads=read, writes=count, weights=parameters),),
        input_gradient=(
            _stream(f"{operation} gradient", count, reads=count + (read if kept else 0), writes=read),
        ),
        weight_gradient=(gradient,) if parameters else (),
        saved=(SavedActivation(name="input", elements=read),) if kept and read else (),
        attributes={"operation": operation, "known": int(known)},
    )


def _stream(name: str, work: int, *, reads: int, writes: int, weights: int = 0) -> Operator:
    return Operator(
        name=name, kind=OperatorKind.ELEMENTWISE, flops=work, reads=reads, writes=writes, weights=weights
    )


def _names(sources: Sequence[Tensor]) -> tuple[str, ...]:
    return tuple(source.name for source in sources)
