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
    """The layers of one block with every saved tensor counted once.

    A tensor that some software keeps for a layer is not counted there if another layer keeps it anyway.
    """
    certain = {_identity(layer, tensor) for layer in layers for tensor in layer.saved if not tensor.kept_by}
    seen: set[str] = set()
    shared: list[Layer] = []
    for layer in layers:
        kept: list[SavedActivation] = []
        for tensor in layer.saved:
            name = _identity(layer, tensor)
            if name in seen or (tensor.kept_by and name in certain):
                continue
            kept.append(tensor)
            seen.add(name)
        shared.append(replace(layer, saved=tuple(kept)))
    return tuple(shared)


def share_boundaries(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The chain with each tensor between two blocks kept once, by its reader."""
    shared: list[Block] = []
    for index, block in enumerate(blocks):
        current = block
        made = _kept_output(blocks[index - 1]) if index else None
        if made is not None and not _keeps_input(block):
            current = _keep_input(block, replace(made, name=BLOCK_INPUT))
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


def _kept_output(block: Block) -> SavedActivation | None:
    return next((tensor for tensor in block.layers[-1].saved if tensor.name == "output"), None)


def _keeps_input(block: Block) -> bool:
    """Whether a block keeps what it reads, whatever the software."""
    return any(
        _is_input(layer, tensor) and not tensor.kept_by for layer in block.layers for tensor in layer.saved
    )


def _is_input(layer: Layer, tensor: SavedActivation) -> bool:
    return tensor.name == "input" and layer.inputs[0] == BLOCK_INPUT


def _forget_output(block: Block) -> Block:
    last = block.layers[-1]
    saved = tuple(tensor for tensor in last.saved if tensor.name != "output")
    return replace(block, layers=(*block.layers[:-1], replace(last, saved=saved)))


def _keep_input(block: Block, tensor: SavedActivation) -> Block:
    """The block with its input kept by its first layer, in place of what some software keeps of it."""
    layers = block.layers
    if not tensor.kept_by:
        layers = tuple(
            replace(layer, saved=tuple(each for each in layer.saved if not _is_input(layer, each)))
            for layer in layers
        )
    first, *others = layers
    return replace(block, layers=(replace(first, saved=(tensor, *first.saved)), *others))
