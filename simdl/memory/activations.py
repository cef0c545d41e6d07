"""Activations: what a block keeps from its forward to its backward pass, and what it needs briefly.

Korthikanti et al. 2022 (arXiv:2205.05198), section 4; tiled attention keeps no scores (Dao et al. 2022).
"""

from dataclasses import replace
from functools import lru_cache, reduce

from simdl.kernels.chains import REPEAT_KV, RMS_NORM, TOKEN_NORMS
from simdl.kernels.graph_chains import message_copies
from simdl.kernels.pricing import Pricing
from simdl.kernels.sharding import Shard
from simdl.software.stack import Stack
from simdl.step.strategy import Recompute
from workloads.amounts import larger
from workloads.layer import Layer, SavedActivation
from workloads.layers.tokens.attention import key_elements, key_split, query_elements, value_elements
from workloads.network import Block
from workloads.operators import ConvolutionShape, Division, ExpertSplit, Split
from workloads.tensors import BLOCK_INPUT

FP32 = 4  # [bytes] per element
BLOCK = 8  # channels of one vector of AVX2
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


def kept_bytes(pricing: Pricing, shard: Shard, block: Block, inputs: int, redone: tuple[Layer, ...]) -> float:
    """Bytes one block keeps per microbatch: its ``inputs`` [elements], and outputs not made again."""
    if not redone:
        return saved_bytes(block, pricing, shard)
    if all(layer.selective for layer in redone):
        return saved_bytes(block, pricing, shard, scores=False)
    again = {layer.name for layer in redone}
    alternate = pricing.stack.selective == "alternate" and len(redone) < len(block.layers)
    products = _alternate_products(block) if alternate else {}
    stored = sum(
        shard.held(elements, split)
        for layer in block.layers
        for elements, split in products.get(layer.name, ((layer.output_elements, layer.parameter_split),))
        if layer.name not in again or layer.name in products
    )
    elements = inputs * shard.share(Split.SEQUENCE) + stored * shard.share(Split.COLUMN)
    return elements * pricing.precision.activation


@lru_cache(maxsize=4096)
def _alternate_products(block: Block) -> dict[str, tuple[tuple[int, Division], ...]]:
    """Elements and division of what every other matrix product of a block writes, by linear layer.

    Programs that choose by operator see queries, keys and values as products of their own, and both halves of
    a gated layer (torchtitan, models/llama3/model.py: wq, wk, wv, wo, w1, w3, w2; its activation
    checkpointing keeps the first, the third and so on).
    """
    stored, place = {}, 0
    for layer in block.layers:
        if layer.kind == "linear":
            parts = _products(block, layer)
            stored[layer.name] = parts[place % 2 :: 2]
            place += len(parts)
    return stored


def _products(block: Block, layer: Layer) -> tuple[tuple[int, Division], ...]:
    """Elements that each product behind a linear layer writes, and how they are divided."""
    for core in (other.core for other in block.layers if other.core is not None):
        keys = key_split(core)
        parts = (
            (query_elements(core), Split.HEADS),
            (key_elements(core), keys),
            (value_elements(core), keys),
        )
        if sum(elements for elements, _ in parts) == layer.output_elements:
            return parts
    whole, split = layer.output_elements, layer.parameter_split
    gated = any(layer.name in other.inputs and other.attributes.get("gated") for other in block.layers)
    return ((whole // 2, split),) * 2 if gated else ((whole, split),)


def brief_bytes(pricing: Pricing, shard: Shard, block: Block, inputs: int) -> float:
    """Bytes live beside all that a block keeps at the peak of its backward pass, walked layer by layer.

    A layer's gradient of its output is live until it has made those of its inputs; elementwise activations
    write theirs in place, and the output that one keeps is gone with it. What another layer keeps is its
    input, which the layer before it may still need (Rhu et al. 2016, figure 4). Beside a convolution on a
    processor lie its maps in blocks of channels.
    """
    activation = pricing.precision.activation
    sizes = {"input": inputs * shard.share(Split.SEQUENCE) * activation}
    for layer in block.layers:
        sizes[layer.name] = layer.output_elements * shard.share(_output_split(layer)) * activation
    live = {block.layers[-1].name: sizes[block.layers[-1].name]}
    freed = most = waiting = 0.0
    for layer in reversed(block.layers):
        made = {name: sizes[name] for name in layer.inputs if name not in live}
        gradient = live.pop(layer.name, 0.0)
        beside = 0.0 if layer.kind == "activation" and len(layer.inputs) == 1 else gradient
        copies = _message_bytes(layer, pricing, shard) + _blocked_bytes(layer, pricing, shard)
        most = max(most, sum(live.values()) + sum(made.values()) + beside + copies - freed)
        live |= made
        kept = layer_saved_bytes(layer, pricing, shard)
        freed += waiting + (kept if layer.kind == "activation" else 0.0)
        waiting = 0.0 if layer.kind == "activation" else kept
    return most


@lru_cache(maxsize=65536)
def saved_bytes(block: Block, pricing: Pricing, shard: Shard, *, scores: bool = True) -> float:
    """Bytes one block keeps per microbatch; without ``scores``, not the attention matrix and its masks."""
    layers = sum(layer_saved_bytes(layer, pricing, shard, scores=scores) for layer in block.layers)
    return layers + _given_bytes(block, pricing, shard)


def _given_bytes(block: Block, pricing: Pricing, shard: Shard) -> float:
    """Bytes of samples in FP32 beside the copy that the first product keeps of them.

    Programs hand over samples in the format of the parameters; autocast casts them for the first product
    (torch.amp), and the program holds its own to the end of the step.
    """
    stack, precision = pricing.stack, pricing.precision
    if not (stack.autocast and precision.master and block is pricing.network.blocks[0]):
        return 0.0
    sizes = [
        tensor.elements * shard.share(tensor.split)
        for layer in block.layers
        for tensor in layer.saved
        if tensor.name == BLOCK_INPUT and layer.inputs[:1] == (BLOCK_INPUT,)
    ]
    return FP32 * sum(sizes)


def layer_saved_bytes(layer: Layer, pricing: Pricing, shard: Shard, *, scores: bool = True) -> float:
    """Bytes one layer keeps per microbatch."""
    tiled = layer.fused_core or pricing.stack.attention != "unfused"
    total = 0.0
    for tensor in layer.saved:
        if tensor.fused and (tiled or not scores):
            continue
        if not _kept_by(pricing.stack, tensor):
            continue
        copies, split = _copies(layer, tensor, pricing)
        total += copies * tensor.elements * shard.share(split) * _element_size(layer, tensor, pricing)
    if layer.core is not None and tiled:
        rows = layer.core.query_tokens * layer.core.heads
        total += rows * shard.share(Split.HEADS) * LOG_SUM_EXP
        if _narrows(pricing):  # the kernel keeps its output as it is beside what the projection keeps
            total += layer.output_elements * shard.share(Split.HEADS) * pricing.precision.activation
    return total


def _kept_by(stack: Stack, tensor: SavedActivation) -> bool:
    """Whether a stack keeps what some keep and others do not."""
    one_kernel = tensor.fusion in stack.fused if tensor.fusion else False
    asked = tensor.kernel in stack.fused if tensor.kernel else True
    return tensor.kept_by in ("", stack.pooling) and asked and not one_kernel


def _narrows(pricing: Pricing) -> bool:
    """Inputs of products are kept quantised."""
    return pricing.stack.saves_narrow and pricing.precision.narrow_input > 0


def _copies(layer: Layer, tensor: SavedActivation, pricing: Pricing) -> tuple[int, Division]:
    """How often a tensor is kept and how that is divided: keys and values for every head that shares them."""
    core = layer.core
    if core is None or REPEAT_KV not in pricing.stack.chains or tensor.name not in {"key", "value"}:
        return 1, tensor.split
    return core.heads // core.kv_heads, Split.HEADS


def _element_size(layer: Layer, tensor: SavedActivation, pricing: Pricing) -> float:
    """[bytes] per element that a layer keeps of a tensor."""
    if layer.kind == "loss" and (pricing.stack.narrow_loss or not pricing.stack.loss_copies):
        return pricing.precision.activation  # without copies the softmax takes the place of the logits
    if tensor.element_size:
        wide = pricing.stack.wide_masks and tensor.name.endswith("mask")
        return pricing.precision.activation if wide else tensor.element_size
    if RMS_NORM in pricing.stack.chains and layer.attributes.get("over") == "rmsnorm":
        return FP32 + pricing.precision.activation  # the cast input, and what the weight multiplies
    if pricing.stack.autocast and pricing.precision.master:
        if layer.attributes.get("over") in TOKEN_NORMS:
            return FP32
        if tensor.name == "probabilities":
            return FP32 + pricing.precision.activation
    quantised = _narrows(pricing) and layer.kind == "linear" and layer.narrow and tensor.name == "input"
    return pricing.precision.narrow_input if quantised else pricing.precision.activation


def _output_split(layer: Layer) -> Division:
    """How a layer's output is divided: like its parameters' columns, or along the sequence."""
    split = layer.parameter_split
    if isinstance(split, ExpertSplit) and split.axis is Split.ROW:
        return replace(split, axis=Split.REPLICATED)
    return split if isinstance(split, ExpertSplit) or split.axis is Split.COLUMN else Split.SEQUENCE


def _narrow_gradient(layer: Layer, pricing: Pricing, shard: Shard) -> float:
    """[bytes] of the 16-bit gradient of a layer's weights, which autocast then widens to FP32."""
    if not (pricing.stack.autocast and pricing.precision.master):
        return 0.0
    return layer.parameters * shard.parameter_share(layer.parameter_split) * pricing.precision.gradient


def _message_bytes(layer: Layer, pricing: Pricing, shard: Shard) -> float:
    """[bytes] of the messages along a graph's edges that a stack writes."""
    copies = message_copies(layer, pricing.stack)
    if not copies:
        return 0.0
    operators = (*layer.forward, *layer.input_gradient)
    elements = max(operator.chained * shard.share(operator.split) for operator in operators)
    return copies * elements * pricing.precision.activation


def _blocked_bytes(layer: Layer, pricing: Pricing, shard: Shard) -> float:
    """[bytes] of a convolution's image and result in oneDNN's blocked layout, copied for the backward pass.

    Its kernels for processors work on blocks of ``BLOCK`` channels, the last one filled up with zeros, and
    frameworks keep their tensors plain (oneDNN, "Understanding memory formats", nChw8c). AVX-512 has blocks
    of twice as many, but reads images of up to three channels plain, which comes to about as much.
    """
    if pricing.cluster.device.generation != "cpu":
        return 0.0
    return reduce(
        larger,
        (
            pricing.precision.activation * shard.share(operator.split) * _blocked_elements(operator.shape)
            for operator in layer.weight_gradient
            if isinstance(operator.shape, ConvolutionShape)
        ),
        0.0,
    )


def _blocked_elements(shape: ConvolutionShape) -> int:
    """Elements of an image and of its result, channels filled up to whole blocks."""
    image, result = (-(-channels // BLOCK) * BLOCK for channels in (shape.in_channels, shape.out_channels))
    return image * shape.inputs + result * shape.outputs


@lru_cache(maxsize=4096)
def _made_gradients(block: Block) -> frozenset[str]:
    """Layers whose output has a gradient: none where all that read it need none of their input."""
    readers: dict[str, list[Layer]] = {layer.name: [] for layer in block.layers}
    for layer in block.layers:
        for name in layer.inputs:
            readers.setdefault(name, []).append(layer)
    return frozenset(
        name
        for name, found in readers.items()
        if not found or any(layer.input_gradient or not layer.weight_gradient for layer in found)
    )


@lru_cache(maxsize=65536)
def largest_output(block: Block, pricing: Pricing, shard: Shard) -> float:
    """[bytes] of the largest layer output and its gradient, live while the block runs backward.

    Or of a convolution's maps in blocks, once its gradient has taken the place of its output.

    Where the block ends in a loss over a vocabulary, the logits as the head writes them, if the program
    still holds them, and ``loss_copies`` FP32 tensors of their size live together at its peak, the one that
    the loss keeps among them. Without copies softmax and gradient take the place of the logits.
    """
    activation, copies = pricing.precision.activation, pricing.stack.loss_copies
    logits_held = activation if pricing.stack.holds_logits else 0
    width = activation if pricing.stack.narrow_loss else FP32
    beside = logits_held + width * (copies - 1) if copies else 0
    logits = [
        tensor.elements * shard.share(tensor.split)
        for layer in block.layers
        if layer.kind == "loss"
        for tensor in layer.saved
        if tensor.name == "softmax"
    ]
    names = {name for layer in block.layers if layer.kind == "loss" for name in layer.inputs}
    made = _made_gradients(block)
    outputs = (
        (2 if layer.name in made else 1)
        * activation
        * layer.output_elements
        * shard.share(_output_split(layer))
        + _narrow_gradient(layer, pricing, shard)
        + _message_bytes(layer, pricing, shard)
        for layer in block.layers
        if not logits or layer.name not in names
    )
    blocked = (_blocked_bytes(layer, pricing, shard) for layer in block.layers)
    return reduce(larger, (*outputs, *(count * beside for count in logits), *blocked))
