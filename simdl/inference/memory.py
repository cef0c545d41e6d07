"""Memory of a rank that runs a network forward: weights, activations that are alive together, the cache.

A layer's output is alive until its last reader has run. Element-wise layers that libraries run in place write
over what they read.
"""

from collections.abc import Mapping

from hardware.units import format_quantity
from simdl.inference.generation import cache_bytes
from simdl.kernels.pricing import Pricing
from simdl.kernels.sharding import Shard
from simdl.memory.context import process_bytes
from simdl.memory.needs import usable_memory
from workloads.layer import Layer
from workloads.network import Block, Network
from workloads.operators import Split
from workloads.tensors import BLOCK_INPUT
from workloads.weight_format import held_bits

IN_PLACE = frozenset({"activation", "dropout", "view", "loss"})


def forward_memory(network: Network, pricing: Pricing, shard: Shard, *, context: int = 0) -> dict[str, float]:
    """[bytes] of one rank at its peak, by part.

    Args:
        network: whose weights and activations; of a language model, of a prompt.
        pricing: precision, device and software of it.
        shard: one rank's part, with the batch of a replica.
        context: tokens of a sequence in the cache at last; 0 for none.
    """
    precision = pricing.precision
    pairs = zip((None, *network.blocks[:-1]), network.blocks, strict=True)
    layers = ((layer, block.count) for block in network.blocks for layer in block.layers)
    parts = {
        "parameters": sum(count * held_parameters(layer, pricing, shard) for layer, count in layers),
        "activations": max(_alive(block, before, pricing, shard) for before, block in pairs),
        "context": process_bytes(pricing.stack, pricing.cluster.device),
    }
    if context:
        each = cache_bytes(network, tokens=context, tp=shard.tp, element=precision.activation)
        parts["cache"] = each * shard.micro_batch
    return parts


def held_parameters(layer: Layer, pricing: Pricing, shard: Shard) -> float:
    """[bytes] of a layer's parameters in a rank's memory."""
    if layer.tied:
        return 0.0
    size, device = pricing.precision.parameter, pricing.cluster.device
    share = shard.parameter_share(layer.parameter_split)
    form, weights = layer.weight_format, layer.stored_weights
    rest = (layer.parameters - weights) * size
    if form is None:
        return share * (rest + weights * size)
    sparse = form.pattern in device.sparsity
    return share * (rest + held_bits(form, weights, 8 * size, sparse=sparse) / 8)


def _alive(block: Block, before: Block | None, pricing: Pricing, shard: Shard) -> float:
    """[bytes] of a block's tensors at their peak, what it reads among them."""
    last = {source: number for number, layer in enumerate(block.layers) for source in layer.inputs}
    alive = {BLOCK_INPUT: _input(block, before, pricing, shard)}
    peak = 0.0
    for number, layer in enumerate(block.layers):
        over = layer.kind in IN_PLACE and len(layer.inputs) == 1 and last[layer.inputs[0]] == number
        output = alive.pop(layer.inputs[0], 0.0) if over else _output(layer, pricing, shard)
        alive[layer.name] = output
        peak = max(peak, sum(alive.values()))
        for name in [name for name in alive if last.get(name, len(block.layers)) <= number]:
            del alive[name]
    return peak


def _input(block: Block, before: Block | None, pricing: Pricing, shard: Shard) -> float:
    if before is not None:
        return _output(before.layers[-1], pricing, shard)
    reads = block.layers[0].forward[0].reads if block.layers[0].forward else 0
    return reads * shard.share(Split.REPLICATED) * pricing.precision.activation


def _output(layer: Layer, pricing: Pricing, shard: Shard) -> float:
    size: float = pricing.precision.activation
    if layer.activation_bits:
        size = min(size, layer.activation_bits / 8)
    split = layer.parameter_split if layer.parameter_split.axis is Split.COLUMN else Split.REPLICATED
    return layer.output_elements * shard.share(split) * size


def forward_shortfall(parts: Mapping[str, float], pricing: Pricing) -> tuple[str, ...]:
    """Why a forward pass does not fit; () where it does."""
    device = pricing.cluster.device
    usable, needed = usable_memory(pricing.stack, device), sum(parts.values())
    if needed <= usable:
        return ()
    largest = max(parts, key=lambda part: parts[part])
    missing, need, has, most = (
        format_quantity(nbytes, "bytes") for nbytes in (needed - usable, needed, usable, parts[largest])
    )
    return (f"{device.name} is {missing} short (needs {need} of {has} usable; most of it {largest}, {most})",)
