"""Cost of one block for one microbatch on one rank: seconds by cause, parameters and bytes kept.

Everything is priced once per distinct block and shard; simulation, memory and the planner's bound share it.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

from simdl.activations import kept_bytes, largest_output, recomputed_layers, saved_bytes
from simdl.collectives import Group, Operation, collective_time, point_to_point_time
from simdl.kernel import Kernel
from simdl.pricing import Pricing, Work, priced
from simdl.sharding import Shard, block_kernels, layer_kernels
from simdl.strategy import Recompute
from workloads.layer import Layer
from workloads.network import Block
from workloads.operators import PRODUCTS, OperatorKind, Pass, Split

Ends = tuple[tuple[Operation, ...], tuple[Operation, ...]]  # collectives at entry and exit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockCost:
    """One block, one microbatch, one rank.

    Attributes:
        forward, backward, recompute: work of each pass (backward without recomputation).
        parameters: elements this rank keeps before ZeRO.
        saved: [bytes] kept from forward to backward per microbatch.
        transient: [bytes] live only while the block runs backward.
        boundary: [bytes] of the block's output that a pipeline sends on.
        recomputed_flops: product flops per sample of the whole block that are done twice.
    """

    forward: Work
    backward: Work
    recompute: Work
    parameters: float
    saved: float
    transient: float
    boundary: float
    recomputed_flops: int


@lru_cache(maxsize=65536)
def block_costs(pricing: Pricing, shard: Shard, recompute: Recompute) -> tuple[BlockCost, ...]:
    """Costs of the distinct blocks of a network, in the order of ``network.blocks``."""
    blocks = pricing.network.blocks
    previous = (blocks[0], *blocks[:-1])
    return tuple(
        _block_cost(pricing, shard, recompute, block, before)
        for block, before in zip(blocks, previous, strict=True)
    )


def _block_cost(
    pricing: Pricing, shard: Shard, recompute: Recompute, block: Block, before: Block
) -> BlockCost:
    mode = recompute if block.recomputable else Recompute.NONE
    activation = pricing.precision.activation
    pipelined, shard = shard.pipelined, replace(shard, pipelined=False)  # both price the passes alike
    everything = saved_bytes(block, pricing, shard)
    boundary = block.output_elements * shard.share(Split.SEQUENCE) * activation
    redone = recomputed_layers(block, mode, pricing.stack)
    kept = kept_bytes(pricing, shard, block, before, redone)
    return BlockCost(
        forward=_forward(pricing, shard, block),
        backward=_backward(pricing, shard, block),
        recompute=_recompute(pricing, shard, block, redone),
        parameters=_parameters(block, shard.tp, pipelined=pipelined),
        saved=kept,
        transient=everything - kept + largest_output(block, shard) * activation,
        boundary=boundary,
        recomputed_flops=_product_flops(redone),
    )


@lru_cache(maxsize=4096)
def _parameters(block: Block, tp: int, *, pipelined: bool) -> float:
    shard = Shard(tp=tp)
    return sum(
        layer.parameters * shard.parameter_share(layer.parameter_split)
        for layer in block.layers
        if pipelined or not layer.tied
    )


@lru_cache(maxsize=4096)
def _product_flops(layers: tuple[Layer, ...]) -> int:
    return sum(operator.flops for layer in layers for operator in layer.forward if operator.kind in PRODUCTS)


@lru_cache(maxsize=65536)
def _forward(pricing: Pricing, shard: Shard, block: Block) -> Work:
    kernels = block_kernels(
        block, Pass.FORWARD, shard=shard, precision=pricing.precision, stack=pricing.stack
    )
    return (
        priced(pricing, kernels)
        + _tensor(pricing, shard, block, backward=False)
        + _context(pricing, shard, block.layers, backward=False)
    )


@lru_cache(maxsize=65536)
def _backward(pricing: Pricing, shard: Shard, block: Block) -> Work:
    kernels = [
        kernel
        for which in (Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT)
        for kernel in block_kernels(
            block, which, shard=shard, precision=pricing.precision, stack=pricing.stack
        )
    ]
    return (
        priced(pricing, kernels + _accumulation(pricing, shard, block))
        + _tensor(pricing, shard, block, backward=True)
        + _context(pricing, shard, block.layers, backward=True)
    )


def _accumulation(pricing: Pricing, shard: Shard, block: Block) -> list[Kernel]:
    """Adding fresh weight gradients to those of earlier microbatches, where no product's epilogue does it."""
    traffic = pricing.stack.accumulation_traffic
    if not traffic:
        return []
    dtype = pricing.precision.attention
    return [
        Kernel(
            "accumulate",
            OperatorKind.ELEMENTWISE,
            0.0,
            layer.parameters * shard.parameter_share(layer.parameter_split) * traffic,
            dtype,
        )
        for layer in block.layers
        if layer.parameters
    ]


def _recompute(pricing: Pricing, shard: Shard, block: Block, redone: tuple[Layer, ...]) -> Work:
    if not redone:
        return Work()
    if redone == block.layers:
        return _forward(pricing, shard, block)
    kernels = layer_kernels(
        redone, Pass.FORWARD, shard=shard, precision=pricing.precision, stack=pricing.stack
    )
    return priced(pricing, kernels) + _context(pricing, shard, redone, backward=False)


def _tensor(pricing: Pricing, shard: Shard, block: Block, *, backward: bool) -> Work:
    """Megatron's f and g at the ends of every column-parallel region (Shoeybi et al. 2019, section 3).

    With sequence parallelism f is an all-gather forward and a reduce-scatter backward, g the reverse, and the
    backward pass gathers the input of the column-parallel product again for its weight gradient
    (Korthikanti et al. 2022, section 4.2.2).
    """
    if shard.tp == 1:
        return Work()
    gather, scatter, reduce = Operation.ALL_GATHER, Operation.REDUCE_SCATTER, Operation.ALL_REDUCE
    if shard.sequence_parallel:
        ends: Ends = ((gather, scatter), (gather,)) if backward else ((gather,), (scatter,))
    else:
        ends = ((reduce,), ()) if backward else ((), (reduce,))
    group = Group(size=shard.tp, stride=1)
    scale = shard.micro_batch / shard.cp * pricing.precision.activation
    seconds = 0.0
    calls = 0
    for layer in block.layers:
        for elements, operations in zip((layer.tensor_entry, layer.tensor_exit), ends, strict=True):
            for operation in operations if elements else ():
                seconds += collective_time(
                    operation, elements * scale, group, pricing.cluster, library=pricing.stack.library
                ).time
                calls += 1
    return Work(tensor=seconds * (1 - pricing.stack.tensor_overlap), calls=calls)


def _context(pricing: Pricing, shard: Shard, layers: tuple[Layer, ...], *, backward: bool) -> Work:
    """Ring attention: keys and values travel round the group beside the attention of the part at hand.

    cp - 1 transfers forward, twice the bytes backward (gradients of keys and values travel too); only what
    the attention kernels do not cover is exposed (Liu et al. 2023, section 3).
    """
    if shard.cp == 1:
        return Work()
    which = Pass.INPUT_GRADIENT if backward else Pass.FORWARD
    exposed = 0.0
    for layer in layers:
        if not layer.key_value:
            continue
        nbytes = layer.key_value * shard.micro_batch / (shard.cp * shard.tp) * pricing.precision.activation
        transfer = point_to_point_time(
            nbytes * (2 if backward else 1), shard.tp, pricing.cluster, library=pricing.stack.library
        )
        kernels = layer_kernels(
            (layer,), which, shard=shard, precision=pricing.precision, stack=pricing.stack
        )
        cover = priced(pricing, kernels).device / shard.cp
        exposed += (shard.cp - 1) * max(0.0, transfer - cover)
    return Work(context=exposed, calls=2 * (shard.cp - 1))
