"""Quantisation: the kernel in front of a product in 8 or 4 bit that makes its operands narrow."""

from simdl.kernels.kernel import Kernel, Product
from simdl.software.stack import Stack
from workloads.dtypes import Precision
from workloads.operators import MatmulShape, Operator, OperatorKind

TRANSPOSED = 1.0
"""[bytes] moved per weight and product where weights come quantised: two for a copy of the backward pass
that reads them along the other axis (``preprocess_addmm`` of ``float8_ops.py``, torchao at 36027d82)."""


def quantisation(
    operator: Operator, kernel: Kernel, dtype: str, stack: Stack, precision: Precision
) -> Kernel | None:
    """Quantisation of what a narrow product reads, along rows and columns.

    The transpose serves the weight gradient, so only products that grow with the batch in their rows pay
    (Transformer Engine documentation, FP8 primer).
    """
    rows = isinstance(operator.shape, MatmulShape) and operator.shape.batch_axis == "rows"
    narrow = dtype == precision.matmul and precision.quantised > 0
    if not narrow or not rows or not isinstance(kernel.shape, Product):
        return None
    shape = kernel.shape
    nbytes = (
        (precision.quantised * shape.m + _weight_size(stack, precision) * shape.n) * shape.k * shape.count
    )
    return Kernel("cast", OperatorKind.ELEMENTWISE, 0.0, nbytes, dtype, experts=kernel.experts)


def _weight_size(stack: Stack, precision: Precision) -> float:
    """[bytes] moved per weight; Transformer Engine keeps what it quantised for the next microbatches."""
    if stack.saves_narrow:
        return 0.0
    return TRANSPOSED if stack.narrow_gathers and precision.gathered else precision.quantised_weight
