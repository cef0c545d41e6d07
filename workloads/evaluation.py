"""Networks as they run forward only, outside training: fewer operators in some layers, narrower tensors.

Batch normalisation takes its mean and deviation from training and computes no sums; dropout copies nothing;
no loss is taken; filters are transformed ahead of time. Weights and activations of transformed layers take
the bits that they are stored in, as far as the device has kernels for that: where it has none for a pattern
of zeros, the dense matrix is computed, and where it has no integers of that width, narrow tensors are opened
on the way into products of the precision. Weights whose products are computed in 8 or 4 bits are stored so.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

from workloads.dtypes import Precision
from workloads.layer import Layer
from workloads.network import Network
from workloads.operators import FILTER_TRANSFORM, PRODUCTS, Operator, OperatorKind
from workloads.weight_format import WeightFormat, held_bits

INTEGERS = {4: "int4", 8: "int8"}
"""Arithmetic by the widest bits of its operands."""
NARROW = {"fp8": 8, "mxfp8": 8, "fp4": 4}
"""[bit] of weights by the dtype of products, where they are stored as narrow as they are multiplied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """What a device has kernels for.

    Attributes:
        arithmetic: dtypes of products.
        patterns: of zeros.
    """

    arithmetic: frozenset[str] = frozenset()
    patterns: frozenset[str] = frozenset()


DENSE = Kernels()


@lru_cache(maxsize=256)
def evaluation(network: Network, precision: Precision | None = None, kernels: Kernels = DENSE) -> Network:
    """A network whose forward pass is that of inference; its backward passes mean nothing.

    Args:
        network: as it is trained.
        precision: of tensors that no transform has narrowed; None leaves all tensors as in training.
        kernels: what the device can do with narrow and sparse ones.
    """
    return replace(
        network,
        blocks=tuple(
            replace(block, layers=tuple(_evaluated(layer, precision, kernels) for layer in block.layers))
            for block in network.blocks
        ),
    )


def integer_arithmetic(layer: Layer) -> tuple[str, ...]:
    """Integers that a layer's products may be computed in, the narrowest first; () where none hold both.

    Shared weights are numbers of any kind.
    """
    form = layer.weight_format
    if form is None or form.shared or not form.bits or not layer.activation_bits:
        return ()
    widest = max(form.bits, layer.activation_bits)
    return tuple(dtype for bits, dtype in INTEGERS.items() if widest <= bits)


def _evaluated(layer: Layer, precision: Precision | None, kernels: Kernels) -> Layer:
    if precision is not None:
        layer = _in_format(layer, precision)
    layer = replace(layer, input_gradient=(), weight_gradient=())
    forward = tuple(op for op in layer.forward if not is_of_training(layer, op))
    if precision is None or (layer.weight_format is None and not layer.activation_bits):
        return replace(layer, forward=forward)
    forward = tuple(_narrowed(layer, op, precision, kernels) for op in forward)
    core = layer.core
    if core is not None and 0 < layer.activation_bits < 8 * precision.activation:
        core = replace(core, element_size=layer.activation_bits / 8)
    return replace(layer, forward=forward, core=core)


def _in_format(layer: Layer, precision: Precision) -> Layer:
    """A layer whose weights are stored in the narrow format that its products are computed in.

    Training keeps 16-bit weights beside 8- and 4-bit products; what is used only has no need of them.
    """
    bits = NARROW.get(precision.matmul)
    form = layer.weight_format or WeightFormat()
    if bits is None or form.bits or not layer.narrow or not layer.product_weights:
        return layer
    return replace(layer, weight_format=replace(form, bits=bits))


def is_of_training(layer: Layer, operator: Operator) -> bool:
    """Whether an operator of the forward pass runs in training only."""
    if layer.attributes.get("over") == "batch":
        return operator.kind is OperatorKind.REDUCTION
    return layer.kind in ("dropout", "loss") or operator.name == FILTER_TRANSFORM


def _narrowed(layer: Layer, operator: Operator, precision: Precision, kernels: Kernels) -> Operator:
    """An operator on tensors of the layer's bits."""
    bits = layer.activation_bits
    if bits and not operator.element_size and bits < 8 * precision.activation:
        operator = replace(operator, element_size=bits / 8)
    form = layer.weight_format
    if form is None or operator.kind not in PRODUCTS or not operator.weights:
        return operator
    return _with_weights(layer, operator, form, precision, kernels)


def _with_weights(
    layer: Layer, operator: Operator, form: WeightFormat, precision: Precision, kernels: Kernels
) -> Operator:
    sparse = bool(form.pattern) and form.pattern in kernels.patterns
    nbits = held_bits(form, operator.weights, 8 * precision.parameter, sparse=sparse)
    offered = (dtype for dtype in integer_arithmetic(layer) if dtype in kernels.arithmetic)
    return replace(
        operator,
        weight_size=nbits / 8 / operator.weights,
        arithmetic=next(offered, ""),
        pattern=form.pattern if sparse else "",
        density=form.density if sparse else 1.0,
    )
