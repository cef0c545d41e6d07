"""What a block's layers share: saved tensors, and the gradients of tensors with several readers.

A builder states what its layer needs again in the backward pass: a saved activation named ``input`` or
``output`` is the layer's own input or output tensor. Several layers may name one tensor; it is kept once,
by the first. A tensor that passes from one block to the next is kept by the block that reads it, where full
recomputation has it anyway.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from workloads.layer import Layer, SavedActivation
from workloads.layers.elementwise import gradient_sum
from workloads.network import Block
from workloads.tensors import BLOCK_INPUT, Tensor


def share_saved(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers of one block with every saved tensor counted once."""
    seen: set[str] = set()
    shared: list[Layer] = []
    for layer in layers:
        kept: list[SavedActivation] = []
        for tensor in layer.saved:
            name = _identity(layer, tensor)
            if name not in seen:
                kept.append(tensor)
                seen.add(name)
        shared.append(replace(layer, saved=tuple(kept)))
    return tuple(shared)


def share_boundaries(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The chain with each tensor between two blocks kept once, by its reader."""
    shared: list[Block] = []
    for index, block in enumerate(blocks):
        current = block
        if index and _keeps_output(blocks[index - 1]) and not _keeps_input(block):
            current = _keep_input(block, blocks[index - 1].output_elements)
        has_reader = index + 1 < len(blocks) or block.count > 1
        shared.append(_forget_output(current) if has_reader else current)
    return tuple(shared)


def sum_gradients(layers: Sequence[Layer], source: Tensor) -> tuple[Layer, ...]:
    """Adds the gradient sums of forked tensors: every reader but the last adds its share to what is there.

    The backward pass meets the last reader first; it alone writes instead of adding.
    """
    elements = {layer.name: layer.output_elements for layer in layers} | {source.name: source.elements}
    waiting = Counter(name for layer in layers for name in layer.inputs)
    summed: list[Layer] = []
    for layer in layers:
        sums = []
        for name in layer.inputs:
            waiting[name] -= 1
            if waiting[name]:
                sums.append(gradient_sum(elements[name]))
        summed.append(replace(layer, input_gradient=(*layer.input_gradient, *sums)))
    return tuple(summed)


def _identity(layer: Layer, tensor: SavedActivation) -> str:
    if tensor.name == "input":
        return layer.inputs[0]
    return layer.name if tensor.name == "output" else f"{layer.name} {tensor.name}"


def _keeps_output(block: Block) -> bool:
    return any(tensor.name == "output" for tensor in block.layers[-1].saved)


def _keeps_input(block: Block) -> bool:
    return any(
        tensor.name == "input" and layer.inputs[0] == BLOCK_INPUT
        for layer in block.layers
        for tensor in layer.saved
    )


def _forget_output(block: Block) -> Block:
    last = block.layers[-1]
    saved = tuple(tensor for tensor in last.saved if tensor.name != "output")
    return replace(block, layers=(*block.layers[:-1], replace(last, saved=saved)))


def _keep_input(block: Block, elements: int) -> Block:
    first, *others = block.layers
    tensor = SavedActivation(name="input", elements=elements)
    return replace(block, layers=(replace(first, saved=(tensor, *first.saved)), *others))
