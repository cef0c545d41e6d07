"""Measured launches, and the kernel that each is to the cost model: flops and bytes by kind of call."""

from dataclasses import dataclass

from simdl.kernels.costs.matmul import ELEMENT_SIZE
from simdl.kernels.kernel import AttentionCall, ConvolutionCall, Kernel, Product
from workloads.operators import OperatorKind, Pass


@dataclass(frozen=True, slots=True)
class Launch:
    """One kernel of a row.

    Attributes:
        kernel: what was launched.
        measured: [s].
        then: launched after it within the same time; None where one kernel was timed.
        group: rows that share a timer's host cost; ``""`` where the timer has none.
        algorithm: convolution algorithm that the library chose, ``""`` where the table does not say.
        assumed: part of its shape is not printed: the row is judged and fitted on nowhere.
    """

    kernel: Kernel
    measured: float
    group: str = ""
    algorithm: str = ""
    then: Kernel | None = None
    assumed: bool = False


def product_kernel(name: str, product: Product, dtype: str) -> Kernel:
    """The launch of a product that reads both operands and writes the result once."""
    m, n, k, count = product.m, product.n, product.k, product.count
    nbytes = float(ELEMENT_SIZE[dtype] * count * (m * k + k * n + m * n))
    return Kernel(name, OperatorKind.MATMUL, 2.0 * m * n * k * count, nbytes, dtype, product)


def convolution_kernel(call: ConvolutionCall, dtype: str) -> Kernel:
    """The launch of one pass that moves images, filters and results once."""
    s = call.shape
    images = call.batch * s.in_channels * s.inputs
    results = call.batch * s.out_channels * s.outputs
    nbytes = float(ELEMENT_SIZE[dtype] * (images + results + s.filters))
    flops = 2.0 * call.batch * s.outputs * s.filters
    return Kernel("conv", OperatorKind.CONVOLUTION, flops, nbytes, dtype, call)


def attention_kernel(call: AttentionCall, dtype: str) -> Kernel:
    """The launch of fused attention that moves queries, keys, values and results once (twice backward)."""
    s = call.shape
    forward = call.which is Pass.FORWARD
    scores = call.batch * s.heads * s.query_tokens * s.key_tokens * (0.5 if s.causal else 1.0)
    features = s.head_size + s.value_features
    elements = (s.query_tokens * s.heads + s.key_tokens * s.kv_heads) * features
    nbytes = ELEMENT_SIZE[dtype] * call.batch * elements * (1.0 if forward else 2.0)
    flops = 2 * scores * (features if forward else 2 * features + s.head_size)
    return Kernel("attention", OperatorKind.ATTENTION, flops, nbytes, dtype, call)
