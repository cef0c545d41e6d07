"""Fusion groups of convolutional blocks: which neighbouring kernels a software stack may run as one.

A group is found by pattern, the longest first, where each layer of the pattern is the only reader of the
one before. Inside a group the tensor between two kernels is neither written nor read again
(`Operator.chained`). Normalisation takes in a ReLU alone, the one function that libraries' fused kernels have
(cuDNN API reference, cudnnBatchNormOps_t).
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from workloads.layer import Layer
from workloads.operators import Operator

PATTERNS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("normalization", "addition", "activation"), "bn_add_relu"),
    (("normalization", "activation"), "bn_relu"),
    (("addition", "activation"), "add_relu"),
    (("convolution", "activation"), "bias_relu"),
)


STATISTICS = "conv_stats"
"""Group of a convolution and the sums of the batch normalisation behind it."""
SCALE = "conv_scale"
"""Group of a convolution, the frozen normalisation that it alone feeds, and what is fused with that
(cuDNN's fused convolution, scale, bias and ReLU; apex, contrib/conv_bias_relu, ConvFrozenScaleBiasReLU)."""


def fuse_layers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers with the operators of every pattern tagged with its group."""
    fused: list[Layer] = []
    while len(fused) < len(layers):
        rest = layers[len(fused) :]
        fused.extend(
            next((_tag(rest[: len(p)], g) for p, g in PATTERNS if _matches(rest, p, layers)), rest[:1])
        )
    return tuple(_with_scales(_with_statistics(fused)))


def _with_statistics(layers: Sequence[Layer]) -> list[Layer]:
    """Sums of a normalisation in the epilogue of the convolution that it alone reads; the map is written."""
    found = list(layers)
    for place, (first, second) in enumerate(pairwise(layers)):
        alone = first.kind == "convolution" and len(first.forward) == 1
        if alone and second.attributes.get("over") == "batch" and _readers(first, layers) == [second.name]:
            sums, *rest = second.forward
            found[place] = replace(first, forward=(replace(first.forward[0], fusion=STATISTICS),))
            joined = replace(
                sums, fusion=STATISTICS, chained=sums.reads // 2
            )  # read, not written, for nothing
            found[place + 1] = replace(second, forward=(joined, *rest))
    return found


def _with_scales(layers: Sequence[Layer]) -> list[Layer]:
    """Frozen normalisations, and what is fused with them, in the epilogue of the convolution before them."""
    found = list(layers)
    for place, (first, second) in enumerate(pairwise(layers)):
        alone = first.kind == "convolution" and len(first.forward) == 1
        frozen = second.attributes.get("over") == "nothing"
        if not (alone and frozen and _readers(first, layers) == [second.name]):
            continue
        found[place] = replace(first, forward=(replace(first.forward[0], fusion=SCALE),))
        (scale,), group = second.forward, second.forward[0].fusion
        joined = replace(second, forward=(_join(scale, SCALE, second.output_elements),))
        found[place + 1] = joined
        for later in range(place + 2, len(layers)):
            layer = layers[later]
            if not group or any(operator.fusion != group for operator in layer.forward):
                break
            found[later] = replace(layer, forward=_grouped(layer.forward))
            if layer.kind == "activation":
                found[later] = replace(found[later], input_gradient=_grouped(layer.input_gradient))
                gradient = _join(second.input_gradient[0], SCALE, second.output_elements)
                found[place + 1] = replace(joined, input_gradient=(gradient,))
                break
    return found


def _grouped(operators: Sequence[Operator]) -> tuple[Operator, ...]:
    return tuple(replace(operator, fusion=SCALE) for operator in operators)


def _matches(rest: Sequence[Layer], pattern: tuple[str, ...], layers: Sequence[Layer]) -> bool:
    if tuple(layer.kind for layer in rest[: len(pattern)]) != pattern:
        return False
    if pattern[0] == "convolution" and len(rest[0].forward) == 1:
        return False
    if pattern[0] == "normalization" and rest[len(pattern) - 1].attributes["function"] != "relu":
        return False
    pairs = pairwise(rest[: len(pattern)])
    return all(_readers(first, layers) == [second.name] for first, second in pairs)


def _readers(layer: Layer, layers: Sequence[Layer]) -> list[str]:
    return [reader.name for reader in layers for source in reader.inputs if source == layer.name]


def _tag(layers: Sequence[Layer], group: str) -> list[Layer]:
    first, *others = layers
    tagged = [replace(first, forward=(*first.forward[:-1], replace(first.forward[-1], fusion=group)))]
    for layer in others:
        joined = tuple(_join(operator, group, layer.output_elements) for operator in layer.forward)
        tagged.append(replace(layer, forward=joined))
    if first.kind == "normalization" and len(first.input_gradient) > 1:
        sums, *scaled = tagged[0].input_gradient
        joined = (_join(sums, group, first.output_elements), *scaled)
        tagged[0] = replace(tagged[0], input_gradient=joined)
        gradient = tuple(replace(operator, fusion=group) for operator in tagged[-1].input_gradient)
        tagged[-1] = replace(tagged[-1], input_gradient=gradient)
    return tagged


def _join(operator: Operator, group: str, chained: int) -> Operator:
    return replace(operator, fusion=group, chained=chained)
