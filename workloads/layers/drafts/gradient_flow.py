"""Which input gradients a network needs: none where nothing trainable lies upstream.

The first convolution of a network reads the image, whose gradient nobody uses.
"""

from collections.abc import Sequence
from dataclasses import replace

from workloads.layer import Layer
from workloads.network import Block
from workloads.operators import OperatorKind
from workloads.tensors import BLOCK_INPUT


def drop_unused_gradients(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The chain without the input gradients that nobody uses."""
    needed = False
    kept: list[Block] = []
    for block in blocks:
        if needed:
            kept.append(block)
            continue
        first, needed = _first_pass(block)
        if block.count == 1 or not needed:
            kept.append(first)
        else:
            kept += [
                replace(first, count=1),
                replace(block, name=f"{block.name}-rest", count=block.count - 1),
            ]
    return tuple(kept)


def freeze_layers(blocks: Sequence[Block], starts: tuple[str, ...]) -> tuple[Block, ...]:
    """The chain with the layers whose names start so as an earlier training left them.

    They stand before everything that trains, so they run forward and keep nothing.
    """
    return tuple(
        replace(block, layers=tuple(_frozen(layer, starts) for layer in block.layers)) for block in blocks
    )


def _frozen(layer: Layer, starts: tuple[str, ...]) -> Layer:
    if not layer.name.startswith(starts):
        return layer
    attributes = {**layer.attributes, "frozen": 1}
    return replace(layer, input_gradient=(), weight_gradient=(), saved=(), attributes=attributes)


def _first_pass(block: Block) -> tuple[Block, bool]:
    """The block as it stands at the start of a network, and whether its output needs a gradient."""
    needed = {BLOCK_INPUT: False}
    layers: list[Layer] = []
    for layer in block.layers:
        upstream = any(needed[name] for name in layer.inputs)
        needed[layer.name] = upstream or len(layer.weight_gradient) > 0 or _sums_with_input(layer)
        layers.append(layer if upstream else _without_input_gradient(layer))
    return replace(block, layers=tuple(layers)), needed[layers[-1].name]


def _sums_with_input(layer: Layer) -> bool:
    """Parameters whose gradient is a sum beside the input's, as normalisation has it."""
    return layer.parameters > 0 and any(o.kind is OperatorKind.REDUCTION for o in layer.input_gradient)


def _without_input_gradient(layer: Layer) -> Layer:
    sums = tuple(o for o in layer.input_gradient if o.kind is OperatorKind.REDUCTION)
    return replace(layer, input_gradient=(), weight_gradient=(*layer.weight_gradient, *sums))
