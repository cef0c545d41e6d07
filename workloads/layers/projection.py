"""Linear projections of tokens, divided over tensor-parallel ranks as in Megatron.

Y = X W with X (tokens x inputs) and W (inputs x outputs). A *column* projection divides the outputs, a
*row* projection the inputs (Shoeybi et al. 2019, arXiv:1909.08053, section 3). Each pass multiplies 2 x
tokens x inputs x outputs flops; the weight gradient is written with the divided dimension as its columns.
``weights`` of a weight gradient is the gradient written once (accumulation over microbatches reads it as
well). A column projection adds its own bias; the bias of a row projection follows the reduction over ranks,
so it belongs to the layer that adds it (`workloads.layers.residual`).
"""

from dataclasses import dataclass, replace

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import bias_gradient, pointwise
from workloads.operators import Division, MatmulShape, Operator, OperatorKind, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Dimensions of a projection: ``tokens`` rows per sample, ``inputs`` to ``outputs`` features."""

    tokens: int
    inputs: int
    outputs: int

    @property
    def weights(self) -> int:
        """Elements of the weight matrix."""
        return self.inputs * self.outputs


def column_projection(
    name: str,
    source: str,
    size: Projection,
    *,
    bias: bool = False,
    tied: str = "",
    split: Division = Split.COLUMN,
) -> Layer:
    """A projection whose output features are divided over the tensor-parallel ranks.

    Args:
        name: of the layer.
        source: layer it reads; its output may be divided along the sequence.
        size: dimensions.
        bias: adds a bias of ``size.outputs``.
        tied: ``block/layer`` that owns the weights, ``""`` if own; a tied projection has no bias.
        split: how the output features are divided, along their columns.
    """
    layer = _biased(name, source, size, bias=bias, split=split, saved=Split.SEQUENCE)
    return replace(layer, tensor_entry=size.tokens * size.inputs, tied=tied)


def replicated_projection(name: str, source: str, size: Projection, *, bias: bool = False) -> Layer:
    """A small projection that every tensor-parallel rank computes whole."""
    return _biased(name, source, size, bias=bias, split=Split.REPLICATED, saved=Split.REPLICATED)


def sequence_projection(name: str, source: str, size: Projection, *, bias: bool = False) -> Layer:
    """A small projection that every tensor-parallel rank holds whole and computes on its part of a sequence.

    Without sequence parallelism every rank computes it for all tokens.
    """
    return _biased(name, source, size, bias=bias, split=Split.SEQUENCE, saved=Split.SEQUENCE)


def row_projection(name: str, source: str, size: Projection) -> Layer:
    """A projection whose input features are divided; its output is a partial sum over the ranks."""
    return Layer(
        name=name,
        kind="linear",
        inputs=(source,),
        output_shape=(size.tokens, size.outputs),
        parameters=size.weights,
        parameter_split=Split.ROW,
        forward=(_product(size, "product", Split.ROW),),
        input_gradient=(_input_gradient(size, Split.COLUMN),),
        weight_gradient=(_weight_gradient(size.outputs, size.inputs, size.tokens, Split.COLUMN),),
        saved=_kept(size, Split.COLUMN),
        tensor_exit=size.tokens * size.outputs,
    )


def _biased(name: str, source: str, size: Projection, *, bias: bool, split: Division, saved: Split) -> Layer:
    outputs, fusion = size.tokens * size.outputs, "gemm_bias" if bias else ""
    forward = [_product(size, "product", split, fusion=fusion)]
    weight_gradient = [_weight_gradient(size.inputs, size.outputs, size.tokens, split)]
    if bias:
        forward.append(
            pointwise("bias", outputs, split=split, fusion=fusion, chained=1, weights=size.outputs)
        )
        weight_gradient.append(bias_gradient(outputs, size.outputs, split=split))
    return Layer(
        name=name,
        kind="linear",
        inputs=(source,),
        output_shape=(size.tokens, size.outputs),
        parameters=size.weights + (size.outputs if bias else 0),
        parameter_split=split,
        forward=tuple(forward),
        input_gradient=(_input_gradient(size, split.transposed),),
        weight_gradient=tuple(weight_gradient),
        saved=_kept(size, saved),
    )


def _kept(size: Projection, split: Split) -> tuple[SavedActivation, ...]:
    return (SavedActivation(name="input", elements=size.tokens * size.inputs, split=split),)


def _product(size: Projection, name: str, split: Division, *, fusion: str = "") -> Operator:
    return Operator(
        name=name,
        kind=OperatorKind.MATMUL,
        flops=2 * size.tokens * size.weights,
        reads=size.tokens * size.inputs,
        writes=size.tokens * size.outputs,
        weights=size.weights,
        shape=MatmulShape(rows=size.tokens, columns=size.outputs, depth=size.inputs),
        split=split,
        fusion=fusion,
    )


def _input_gradient(size: Projection, split: Division) -> Operator:
    transposed = Projection(tokens=size.tokens, inputs=size.outputs, outputs=size.inputs)
    return _product(transposed, "input gradient", split)


def _weight_gradient(rows: int, columns: int, tokens: int, split: Division) -> Operator:
    return Operator(
        name="weight gradient",
        kind=OperatorKind.MATMUL,
        flops=2 * tokens * rows * columns,
        reads=tokens * (rows + columns),
        weights=rows * columns,
        shape=MatmulShape(rows=rows, columns=columns, depth=tokens, batch_axis="depth"),
        split=split,
    )
