"""Activations: what a block keeps from its forward to its backward pass, and what it needs briefly.

Korthikanti et al. 2022 (arXiv:2205.05198), section 4; tiled attention keeps no scores (Dao et al. 2022).
"""

from dataclasses import replace
from functools import lru_cache, reduce

from simdl.kernels.pricing import Pricing
from simdl.kernels.sharding import Shard
from simdl.software.stack import Stack
from simdl.step.strategy import Recompute
from workloads.amounts import larger
from workloads.dtypes import Precision
from workloads.layer import Layer, SavedActivation
from workloads.network import Block
from workloads.operators import Division, ExpertSplit, Split

LOG_SUM_EXP = 4  # [bytes] per query row and head that a tiled attention kernel keeps instead of the scores


def recomputed_layers(block: Block, mode: Recompute, stack: Stack) -> tuple[Layer, ...]:
    """Layers whose forward pass runs again before their backward pass.

    Selective recomputation means the attention core (Korthikanti et al. 2022), or in stacks that say
    ``alternate`` everything but the attention core and every other linear layer (torchtitan's per-operator
    policy).
    """
    if mode is Recompute.FULL:
        return block.layers
    if mode is Recompute.NONE:
        return ()
    if stack.selective == "attention":
        return tuple(layer for layer in block.layers if layer.selective)
    linear = [layer for layer in block.layers if layer.kind == "linear"]
    stored = {layer.name for layer in linear[::2]}
    return tuple(layer for layer in block.layers if not layer.selective and layer.name not in stored)


def kept_bytes(
    pricing: Pricing, shard: Shard, block: Block, before: Block, redone: tuple[Layer, ...]
) -> float:
    """Bytes one block keeps per microbatch: its input, and the outputs of layers that do not run again."""
    if not redone:
        return saved_bytes(block, pricing, shard)
    if all(layer.selective for layer in redone):
        return saved_bytes(block, pricing, shard, scores=False)
    again = {layer.name for layer in redone}
    stored = sum(
        shard.held(layer.output_elements, layer.parameter_split)
        for layer in block.layers
        if layer.name not in again
    )
    elements = before.output_elements * shard.share(Split.SEQUENCE) + stored * shard.share(Split.COLUMN)
    return elements * pricing.precision.activation


@lru_cache(maxsize=65536)
def saved_bytes(block: Block, pricing: Pricing, shard: Shard, *, scores: bool = True) -> float:
    """Bytes one block keeps per microbatch; without ``scores``, not the attention matrix and its masks."""
    tiled = pricing.stack.attention != "unfused"
    total = 0.0
    for layer in block.layers:
        for tensor in layer.saved:
            if tensor.fused and (tiled or not scores):
                continue
            total += _tensor_bytes(tensor, pricing.precision, shard)
        if layer.core is not None and tiled:
            rows = layer.core.query_tokens * layer.core.heads
            total += rows * shard.share(Split.HEADS) * LOG_SUM_EXP
    return total


def _tensor_bytes(tensor: SavedActivation, precision: Precision, shard: Shard) -> float:
    return tensor.elements * shard.share(tensor.split) * (tensor.element_size or precision.activation)


def _output_split(layer: Layer) -> Division:
    """How a layer's output is divided: like its parameters' columns, or along the sequence."""
    split = layer.parameter_split
    if isinstance(split, ExpertSplit) and split.axis is Split.ROW:
        return replace(split, axis=Split.REPLICATED)
    return split if isinstance(split, ExpertSplit) or split.axis is Split.COLUMN else Split.SEQUENCE


@lru_cache(maxsize=65536)
def largest_output(block: Block, shard: Shard) -> float:
    """Elements of the largest layer output and its gradient, live while the block runs backward."""
    return 2 * reduce(
        larger,
        (layer.output_elements * shard.share(_output_split(layer)) for layer in block.layers),
    )
