"""Cuts a list of layers into a chain of blocks, wherever a single tensor passes on.

A block begins with a convolution or linear layer, or with a normalisation behind a join (pre-activation
networks), so that element-wise layers stay with the product that feeds them.
"""

from collections.abc import Sequence
from dataclasses import replace

from workloads.layer import Layer
from workloads.tensors import BLOCK_INPUT

PRODUCTS = frozenset({"convolution", "linear"})
JOINS = frozenset({"addition", "concatenation"})


def cut_layers(layers: Sequence[Layer]) -> list[list[Layer]]:
    """The layers of each block, in order, reading the tensor of the block before as ``input``."""
    last_use = {name: index for index, layer in enumerate(layers) for name in layer.inputs}
    open_until = last_use[BLOCK_INPUT]
    boundary = BLOCK_INPUT
    pieces: list[list[Layer]] = [[]]
    for index, layer in enumerate(layers):
        if index:
            previous = layers[index - 1]
            if open_until < index and _begins(previous, layer):
                boundary = previous.name
                pieces.append([])
            open_until = max(open_until, last_use.get(previous.name, -1))
        pieces[-1].append(_rename(layer, boundary))
    return pieces


def _begins(left: Layer, right: Layer) -> bool:
    return right.kind in PRODUCTS or (left.kind in JOINS and right.kind == "normalization")


def _rename(layer: Layer, boundary: str) -> Layer:
    return replace(layer, inputs=tuple(BLOCK_INPUT if name == boundary else name for name in layer.inputs))
