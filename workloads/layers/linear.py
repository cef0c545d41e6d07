"""Fully connected layer on one vector per sample.

2 C_out C_in flops per sample in each pass (Ben-Nun and Hoefler 2018, arXiv:1802.09941, table 4: work C_out
C_in N). Maps are flattened on the way in. The input is kept for the weight gradient.
"""

from dataclasses import replace

from workloads.layer import Layer, SavedActivation
from workloads.layers.images.convolution import bias_addition, bias_sum
from workloads.operators import MatmulShape, Operator, OperatorKind
from workloads.tensors import Tensor

GEMM_BIAS = "gemm_bias"
"""Fusion group of a product with the bias added in its epilogue."""


def linear(name: str, source: Tensor, *, out_features: int, bias: bool = True) -> Layer:
    """A fully connected layer over all elements of the source."""
    inputs = source.elements
    product = _product(
        "product",
        MatmulShape(rows=1, columns=out_features, depth=inputs),
        reads=inputs,
        writes=out_features,
    )
    added = replace(bias_addition(out_features, out_features), fusion=GEMM_BIAS, chained=out_features)
    return Layer(
        name=name,
        kind="linear",
        inputs=(source.name,),
        output_shape=(out_features,),
        parameters=inputs * out_features + (out_features if bias else 0),
        forward=(replace(product, fusion=GEMM_BIAS), added) if bias else (product,),
        input_gradient=(
            _product(
                "input gradient",
                MatmulShape(rows=1, columns=inputs, depth=out_features),
                reads=out_features,
                writes=inputs,
            ),
        ),
        weight_gradient=(
            _product(
                "weight gradient",
                MatmulShape(rows=out_features, columns=inputs, depth=1, batch_axis="depth"),
                reads=inputs + out_features,
                writes=0,
            ),
            *((bias_sum(out_features, out_features),) if bias else ()),
        ),
        saved=(SavedActivation(name="input", elements=inputs),),
    )


def _product(name: str, shape: MatmulShape, *, reads: int, writes: int) -> Operator:
    work = shape.rows * shape.columns * shape.depth
    return Operator(
        name=name,
        kind=OperatorKind.MATMUL,
        flops=2 * work,
        reads=reads,
        writes=writes,
        weights=work,
        shape=shape,
    )
