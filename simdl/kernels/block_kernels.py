"""What one pass over a block runs, for one microbatch on one rank: kernels by layer, and collectives.

Costs add these up, the operators of the critical path name them; both read the same lists.
"""

from collections.abc import Iterator

from simdl.collectives import Group, Operation, collective_seconds, ring_time
from simdl.kernels.kernel import Kernel
from simdl.kernels.pricing import Pricing
from simdl.kernels.sharding import Shard, named_kernels, pass_layers, rank_core
from workloads.exchange import Halo
from workloads.layer import Layer
from workloads.network import Block
from workloads.operators import OperatorKind, Pass

Ends = tuple[tuple[Operation, ...], tuple[Operation, ...]]  # collectives at entry and exit
NamedKernel = tuple[str, Kernel]  # layer, kernel


def forward_kernels(pricing: Pricing, shard: Shard, block: Block) -> list[NamedKernel]:
    """Kernels of the forward pass in launch order."""
    return _kernels(pricing, shard, block, Pass.FORWARD)


def input_gradient_kernels(pricing: Pricing, shard: Shard, block: Block) -> list[NamedKernel]:
    """Kernels of the gradient of the block's input."""
    return _kernels(pricing, shard, block, Pass.INPUT_GRADIENT)


def weight_gradient_kernels(pricing: Pricing, shard: Shard, block: Block) -> list[NamedKernel]:
    """Kernels of the gradient of the weights, and of adding to the gradients of earlier microbatches."""
    return [
        *_kernels(pricing, shard, block, Pass.WEIGHT_GRADIENT),
        *accumulation_kernels(pricing, shard, block.layers),
    ]


def recomputed_kernels(pricing: Pricing, shard: Shard, layers: tuple[Layer, ...]) -> list[NamedKernel]:
    """Forward kernels of some layers, as they run again in the backward pass."""
    return named_kernels(layers, Pass.FORWARD, shard=shard, precision=pricing.precision, stack=pricing.stack)


def _kernels(pricing: Pricing, shard: Shard, block: Block, which: Pass) -> list[NamedKernel]:
    return named_kernels(
        pass_layers(block, which), which, shard=shard, precision=pricing.precision, stack=pricing.stack
    )


def accumulation_kernels(pricing: Pricing, shard: Shard, layers: tuple[Layer, ...]) -> list[NamedKernel]:
    """Adding fresh weight gradients to those of earlier microbatches, where no product's epilogue does it."""
    traffic = pricing.stack.accumulation_traffic
    if not traffic:
        return []
    dtype = pricing.precision.attention
    return [
        (
            layer.name,
            Kernel(
                "accumulate",
                OperatorKind.ELEMENTWISE,
                0.0,
                layer.parameters * shard.parameter_share(layer.parameter_split) * traffic,
                dtype,
            ),
        )
        for layer in layers
        if layer.parameters
    ]


def tensor_collectives(
    pricing: Pricing, shard: Shard, block: Block, *, backward: bool
) -> Iterator[tuple[str, Operation, float, float]]:
    """Megatron's f and g at the ends of every column-parallel region (Shoeybi et al. 2019, section 3).

    With sequence parallelism f is an all-gather forward and a reduce-scatter backward, g the reverse, and the
    backward pass gathers the input of the column-parallel product again for its weight gradient
    (Korthikanti et al. 2022, section 4.2.2).

    Yields:
        Layer, operation, [bytes] of the message and [s] it takes before any product hides it.
    """
    if shard.tp == 1:
        return
    gather, scatter, reduce = Operation.ALL_GATHER, Operation.REDUCE_SCATTER, Operation.ALL_REDUCE
    if shard.sequence_parallel:
        ends: Ends = ((gather, scatter), (gather,)) if backward else ((gather,), (scatter,))
    else:
        ends = ((reduce,), ()) if backward else ((), (reduce,))
    group = Group(size=shard.tp, stride=1)
    scale = shard.micro_batch / shard.cp * pricing.precision.activation
    priced: dict[tuple[Operation, int], float] = {}
    for layer in block.layers:
        for elements, operations in zip((layer.tensor_entry, layer.tensor_exit), ends, strict=True):
            for operation in operations if elements else ():
                key = operation, elements
                if key not in priced:
                    priced[key] = collective_seconds(
                        operation, elements * scale, group, pricing.cluster, library=pricing.stack.library
                    )
                yield layer.name, operation, elements * scale, priced[key]


def layer_exchanges(
    pricing: Pricing, shard: Shard, layers: tuple[Layer, ...], *, backward: bool
) -> Iterator[tuple[Layer, Operation, float, float]]:
    """What parts of a graph or of tables send each other, as many ranks as share a sample.

    Yields:
        Layer, operation, [bytes] of one rank's message and [s] of it.
    """
    if shard.cp == 1:
        return
    group = Group(size=shard.cp, stride=shard.tp)
    for layer in layers:
        if layer.exchange is None:
            continue
        if backward and isinstance(layer.exchange, Halo) and not layer.input_gradient:
            continue
        operation = Operation.ALL_TO_ALL
        nbytes = layer.exchange.sent(shard.cp) * shard.micro_batch * pricing.precision.activation
        seconds = collective_seconds(operation, nbytes, group, pricing.cluster, library=pricing.stack.library)
        yield layer, operation, nbytes, seconds


def context_transfers(
    pricing: Pricing, shard: Shard, layers: tuple[Layer, ...], *, backward: bool
) -> Iterator[tuple[Layer, float, float]]:
    """Layers whose keys and values travel round the context-parallel ring: :func:`ring_hops` times.

    Yields:
        Layer, [bytes] of one transfer and [s] it takes before attention hides it.
    """
    if shard.cp == 1:
        return
    ring = Group(size=shard.cp, stride=shard.tp)
    for layer in layers:
        if layer.core is None:
            continue
        core = rank_core(layer.core, shard)
        key_value = core.key_tokens * core.kv_heads * (core.head_size + core.value_features)
        nbytes = key_value * shard.micro_batch / shard.cp * pricing.precision.activation
        nbytes *= 2 if backward else 1  # gradients of keys and values travel too
        yield layer, nbytes, ring_time(nbytes, ring, pricing.cluster, library=pricing.stack.library)
