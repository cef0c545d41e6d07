"""Cost of one block for one microbatch on one rank: seconds by cause, parameters and bytes kept.

Everything is priced once per distinct block and shard; simulation, memory and the planner's bound share it.
"""

from dataclasses import dataclass
from functools import lru_cache

from hardware.cluster import Cluster
from simdl.collectives import Group, Operation, collective_time, point_to_point_time
from simdl.cost_model import CostModel
from simdl.kernel import AttentionCall, Kernel
from simdl.kernel_costs.matmul import uses_matrix_units
from simdl.sharding import Shard, block_kernels, layer_kernels
from simdl.stack import Stack
from simdl.strategy import Recompute
from workloads.dtypes import Precision
from workloads.layer import Layer, SavedActivation
from workloads.network import Block, Network
from workloads.operators import AttentionShape, OperatorKind, Pass, Split

PRODUCTS = frozenset({OperatorKind.MATMUL, OperatorKind.CONVOLUTION, OperatorKind.ATTENTION})
Ends = tuple[tuple[Operation, ...], tuple[Operation, ...]]  # collectives at entry and exit
LOG_SUM_EXP = 4  # [bytes] per query row and head that a tiled attention kernel keeps instead of the scores


@dataclass(frozen=True, slots=True)
class Work:
    """Seconds of one pass by cause.

    Attributes:
        device: [s] kernels back to back on the device.
        tensor: [s] exposed tensor-parallel communication.
        context: [s] exposed context-parallel communication.
        launches: kernels the host launches.
        calls: collectives and transfers the host calls.
    """

    device: float = 0.0
    tensor: float = 0.0
    context: float = 0.0
    launches: int = 0
    calls: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.device + other.device,
            self.tensor + other.tensor,
            self.context + other.context,
            self.launches + other.launches,
            self.calls + other.calls,
        )

    def times(self, count: int) -> "Work":
        """The same work ``count`` times."""
        return Work(
            self.device * count,
            self.tensor * count,
            self.context * count,
            self.launches * count,
            self.calls * count,
        )

    @property
    def busy(self) -> float:
        """[s] the device is occupied when the host keeps up."""
        return self.device + self.tensor + self.context


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """Everything that prices blocks: the identity of these objects keys the cache."""

    network: Network
    precision: Precision
    cluster: Cluster
    stack: Stack
    cost_model: CostModel


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
    everything = _saved_bytes(block, pricing, shard)
    boundary = block.output_elements * shard.share(Split.SEQUENCE) * activation
    redone = recomputed_layers(block, mode, pricing.stack)
    kept = _kept_bytes(pricing, shard, block, before, redone)
    return BlockCost(
        forward=_forward(pricing, shard, block),
        backward=_backward(pricing, shard, block),
        recompute=_recompute(pricing, shard, block, redone),
        parameters=sum(
            layer.parameters * shard.parameter_share(layer.parameter_split)
            for layer in block.layers
            if shard.pipelined or not layer.tied
        ),
        saved=kept,
        transient=everything - kept + _largest_output(block, shard) * activation,
        boundary=boundary,
        recomputed_flops=sum(
            operator.flops for layer in redone for operator in layer.forward if operator.kind in PRODUCTS
        ),
    )


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


def _kept_bytes(
    pricing: Pricing, shard: Shard, block: Block, before: Block, redone: tuple[Layer, ...]
) -> float:
    """Bytes one block keeps per microbatch: its input, and the outputs of layers that do not run again."""
    if not redone:
        return _saved_bytes(block, pricing, shard)
    if all(layer.selective for layer in redone):
        return _saved_bytes(block, pricing, shard, scores=False)
    again = {layer.name for layer in redone}
    stored = sum(layer.output_elements for layer in block.layers if layer.name not in again)
    elements = before.output_elements * shard.share(Split.SEQUENCE) + stored * shard.share(Split.COLUMN)
    return elements * pricing.precision.activation


@lru_cache(maxsize=65536)
def _forward(pricing: Pricing, shard: Shard, block: Block) -> Work:
    kernels = block_kernels(
        block, Pass.FORWARD, shard=shard, precision=pricing.precision, stack=pricing.stack
    )
    return (
        _priced(pricing, kernels)
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
        _priced(pricing, kernels + _accumulation(pricing, shard, block))
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
    return _priced(pricing, kernels) + _context(pricing, shard, redone, backward=False)


def _priced(pricing: Pricing, kernels: list[Kernel]) -> Work:
    seconds = sum(_kernel_time(pricing, kernel) for kernel in kernels)
    return Work(device=seconds, launches=len(kernels))


def _kernel_time(pricing: Pricing, kernel: Kernel) -> float:
    """Device seconds of one kernel in this stack, at the clock that hours of training leave.

    Products on matrix units draw the most power and lower the clock; convolutions alternate with kernels that
    stream and stay below the limit.
    """
    seconds = pricing.cost_model.kernel_time(kernel)
    if kernel.kind not in PRODUCTS:
        return seconds / pricing.stack.streaming_speed
    if kernel.kind is OperatorKind.CONVOLUTION:
        return seconds / pricing.stack.convolution_speed
    if kernel.kind is OperatorKind.ATTENTION:
        seconds /= pricing.stack.attention_speed
        if isinstance(kernel.shape, AttentionCall) and _is_part(kernel.shape.shape):
            seconds /= pricing.stack.context_speed
    device = pricing.cluster.device
    return seconds / device.sustained if uses_matrix_units(device, kernel.dtype) else seconds


def _is_part(shape: AttentionShape) -> bool:
    """Whether context parallelism gives this rank only some of the queries."""
    return shape.query_tokens < shape.key_tokens


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
        cover = _priced(pricing, kernels).device / shard.cp
        exposed += (shard.cp - 1) * max(0.0, transfer - cover)
    return Work(context=exposed, calls=2 * (shard.cp - 1))


@lru_cache(maxsize=65536)
def _saved_bytes(block: Block, pricing: Pricing, shard: Shard, *, scores: bool = True) -> float:
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


@lru_cache(maxsize=65536)
def _largest_output(block: Block, shard: Shard) -> float:
    """Elements of the largest layer output and its gradient, live while the block runs backward."""
    return 2 * max(
        layer.output_elements
        * shard.share(Split.COLUMN if layer.parameter_split is Split.COLUMN else Split.SEQUENCE)
        for layer in block.layers
    )
