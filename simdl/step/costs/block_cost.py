"""Cost of one block for one microbatch on one rank: seconds by cause, parameters and bytes kept.

Everything is priced once per distinct block and shard; simulation, memory and the planner's bound share it.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from simdl.communication import Group
from simdl.kernels.block_kernels import (
    NamedKernel,
    context_transfers,
    expert_exchanges,
    forward_kernels,
    input_gradient_kernels,
    layer_exchanges,
    recomputed_kernels,
    tensor_collectives,
    weight_gradient_kernels,
)
from simdl.kernels.pricing import Pricing, Work, priced
from simdl.kernels.shard_parts import by_part
from simdl.kernels.sharding import Shard, ShardTable, layer_kernels, ring_hops
from simdl.memory.activations import brief_bytes, kept_bytes, largest_output, recomputed_layers, saved_bytes
from simdl.memory.savers import KEPT, Saver
from simdl.software.stack import Stack
from simdl.step.costs.gradients import GradientShare, expert_group
from simdl.step.costs.walks import Walk, kernel_walks, walks_of
from simdl.step.strategy import Recompute
from workloads.amounts import choose, is_table, larger
from workloads.exchange import Tables
from workloads.layer import Layer, gradient_tensors
from workloads.network import Block
from workloads.operators import PRODUCTS, ExpertSplit, MatmulShape, Pass, Split


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockCost:
    """One block, one microbatch, one rank.

    Attributes:
        forward, input_gradient, weight_gradient, recompute: work of each phase (without recomputation).
        gradients: parameters this rank keeps before ZeRO, by the ranks that hold the same ones.
        saved: [bytes] kept from forward to backward per microbatch.
        transient: [bytes] live only while the block runs backward.
        boundary: [bytes] of the block's output that a pipeline sends on.
        recomputed_flops: product flops per sample of the whole block that are done twice.
        tables: [bytes] of embedding tables with their state, which have no gradient.
        gathered: share of its parameters that ZeRO holds in full at a time.
        walks: forward and input gradient of a block with recurrent layers, opened up; () for others.
        saver: what of it lies in host memory.
        redone: which of its layers run again before its backward pass.
        again: how many more times its whole forward pass runs, for segments that it belongs to.
        offloaded: [bytes] per microbatch that lie in host memory in place of ``saved``.
        brief: [bytes] live beside all that it kept at the peak of its backward pass, layer by layer; at most
            ``transient``, which does not follow single layers.
    """

    forward: Work
    input_gradient: Work
    weight_gradient: Work
    recompute: Work
    gradients: tuple[GradientShare, ...]
    saved: float
    transient: float
    boundary: float
    recomputed_flops: int
    tables: float = 0.0
    gathered: float = 1.0
    walks: tuple[tuple[Walk, ...], ...] = ()
    saver: Saver = KEPT
    redone: Recompute = Recompute.NONE
    again: int = 0
    offloaded: float = 0.0
    brief: float = 0.0

    @property
    def experts(self) -> float:
        """Elements of experts that this rank keeps before ZeRO."""
        return sum(share.parameters for share in self.gradients[1:])

    @property
    def backward(self) -> Work:
        """Both gradients."""
        return self.input_gradient + self.weight_gradient

    @property
    def workspace(self) -> float:
        """[bytes] of scratch memory of the kernel that takes most, in any pass."""
        return max(self.forward.workspace, self.input_gradient.workspace, self.weight_gradient.workspace)

    @property
    def parameters(self) -> float:
        """Elements this rank keeps before ZeRO."""
        return sum(share.parameters for share in self.gradients)


@lru_cache(maxsize=65536)
def block_costs(pricing: Pricing, shard: Shard, recompute: Recompute) -> tuple[BlockCost, ...]:
    """Costs of the distinct blocks of a network, in the order of ``network.blocks``, remembered."""
    return price_blocks(pricing, shard, recompute)


def price_blocks(pricing: Pricing, shard: Shard, recompute: Recompute) -> tuple[BlockCost, ...]:
    """The same, not remembered: for tables of shards, each of which is asked for once."""
    blocks = pricing.network.blocks
    inputs = (blocks[0].input_elements, *(block.output_elements for block in blocks[:-1]))
    return tuple(
        _block_cost(pricing, shard, recompute if block.recomputable else Recompute.NONE, block, elements)
        for block, elements in zip(blocks, inputs, strict=True)
    )


def block_factors(block: Block) -> tuple[float, float]:
    """Elements of a block's fully connected layers, and numbers of their inputs and outputs per sample."""
    shapes = [
        (operator.weights, operator.shape)
        for layer in block.layers
        if layer.kind == "linear" and not layer.tied
        for operator in layer.forward
        if isinstance(operator.shape, MatmulShape)
    ]
    return (
        float(sum(weights for weights, _ in shapes)),
        float(sum(shape.rows * (shape.columns + shape.depth) for _, shape in shapes)),
    )


@lru_cache(maxsize=1024)
def _block_cost(pricing: Pricing, shard: Shard, mode: Recompute, block: Block, inputs: int) -> BlockCost:
    gradients, shard = _gradients(block, shard), _unpipelined(shard)  # passes of a pipeline are priced alike
    everything, largest, boundary, tables = _tensor_bytes(pricing, shard, block)
    redone = recomputed_layers(block, mode, pricing.stack)
    kept = kept_bytes(pricing, shard, block, inputs, redone)
    transient = everything - kept + largest
    return BlockCost(
        forward=_forward(pricing, shard, block),
        input_gradient=_input_gradient(pricing, shard, block),
        weight_gradient=_weight_gradient(pricing, shard, block),
        recompute=_recompute(pricing, shard, block, redone),
        gradients=gradients,
        saved=kept,
        transient=transient,
        boundary=boundary,
        recomputed_flops=_product_flops(redone),
        tables=tables,
        gathered=gathered_share(block, pricing.stack),
        walks=_walks(pricing, shard, block),
        redone=mode,
        brief=transient
        if is_table(transient)
        else min(transient, brief_bytes(pricing, shard, block, inputs)),
    )


@lru_cache(maxsize=65536)
def _tensor_bytes(pricing: Pricing, shard: Shard, block: Block) -> tuple[float, float, float, float]:
    """[bytes] of a block whatever is redone: all kept, the largest output, what is sent on, and tables."""
    boundary = (block.output_elements + block.carried) * shard.share(Split.SEQUENCE)
    return (
        saved_bytes(block, pricing, shard),
        largest_output(block, pricing, shard),
        boundary * pricing.precision.activation,
        _table_bytes(pricing, shard, block),
    )


def _walks(pricing: Pricing, shard: Shard, block: Block) -> tuple[tuple[Walk, ...], ...]:
    if isinstance(shard, ShardTable) or not walks_of(block):
        return ()
    return (
        kernel_walks(pricing, forward_kernels(pricing, shard, block)),
        kernel_walks(pricing, input_gradient_kernels(pricing, shard, block)),
    )


def gathered_share(block: Block, stack: Stack) -> float:
    """Share of a block's parameters that ZeRO holds in full at a time: all, or those of its largest layer."""
    if stack.gathers != "layer" or not block.parameters:
        return 1.0
    return max(layer.parameters for layer in block.layers if not layer.tied) / block.parameters


ROW_STATE = 4
"""[bytes] that row-wise AdaGrad keeps per row of a table (Naumov et al. 2019; FBGEMM's default)."""


def _table_bytes(pricing: Pricing, shard: Shard, block: Block) -> float:
    """[bytes] of a rank's part of all tables of a block, with their state."""
    if not any(isinstance(layer.exchange, Tables) for layer in block.layers):
        return 0.0

    def held(part: Shard) -> tuple[float]:
        found = 0.0
        for layer in block.layers:
            if isinstance(layer.exchange, Tables):
                each = layer.exchange.width * pricing.precision.parameter + ROW_STATE
                found += sum(layer.exchange.rows) * each * layer.exchange.share(part.cp)
        return (found,)

    (nbytes,) = by_part(shard, ("cp",), held)
    return float(nbytes) if not is_table(nbytes) else nbytes


@lru_cache(maxsize=4096)
def _unpipelined(shard: Shard) -> Shard:
    return replace(shard, pipelined=False)


@lru_cache(maxsize=65536)
def _gradients(block: Block, shard: Shard) -> tuple[GradientShare, ...]:
    """Parameters of a rank; those of experts, if there are any, last."""
    experts = tuple(layer for layer in block.layers if isinstance(layer.parameter_split, ExpertSplit))
    rest = tuple(layer for layer in block.layers if layer not in experts) if experts else block.layers
    group = Group(size=shard.cp, stride=shard.tp)
    held = _parameters(rest, shard)
    plain = GradientShare(group, held, _tensors(rest), *block_factors(block))
    if not experts:
        return (plain,)
    held = _parameters(experts, shard)
    own = group if isinstance(shard, ShardTable) else expert_group(shard)
    return plain, GradientShare(own, held, _tensors(experts))


def _parameters(layers: tuple[Layer, ...], shard: Shard) -> float:
    return sum(
        layer.parameters
        * shard.parameter_share(layer.parameter_split)
        * (choose(shard.pipelined, 1, 0) if layer.tied else 1)
        for layer in layers
        if not isinstance(layer.exchange, Tables)
    )


def block_tensors(block: Block) -> int:
    """Variables of a block."""
    return _tensors(block.layers)


@lru_cache(maxsize=4096)
def _tensors(layers: tuple[Layer, ...]) -> int:
    """Variables of some layers."""
    return sum(gradient_tensors(layer) for layer in layers)


@lru_cache(maxsize=4096)
def _product_flops(layers: tuple[Layer, ...]) -> int:
    return sum(operator.flops for layer in layers for operator in layer.forward if operator.kind in PRODUCTS)


@lru_cache(maxsize=65536)
def _forward(pricing: Pricing, shard: Shard, block: Block) -> Work:
    return (
        _priced(pricing, forward_kernels(pricing, shard, block))
        + _tensor(pricing, shard, block, backward=False)
        + _context(pricing, shard, block.layers, backward=False)
        + _dispatch(pricing, shard, block.layers, backward=False)
    )


@lru_cache(maxsize=65536)
def _input_gradient(pricing: Pricing, shard: Shard, block: Block) -> Work:
    return (
        _priced_backward(pricing, input_gradient_kernels(pricing, shard, block))
        + _tensor(pricing, shard, block, backward=True)
        + _context(pricing, shard, block.layers, backward=True)
        + _dispatch(pricing, shard, block.layers, backward=True)
    )


@lru_cache(maxsize=65536)
def _weight_gradient(pricing: Pricing, shard: Shard, block: Block) -> Work:
    return _priced_backward(pricing, weight_gradient_kernels(pricing, shard, block))


def _recompute(pricing: Pricing, shard: Shard, block: Block, redone: tuple[Layer, ...]) -> Work:
    if not redone:
        return Work()
    if redone == block.layers:
        return _forward(pricing, shard, block)
    kernels = recomputed_kernels(pricing, shard, redone)
    return (
        _priced(pricing, kernels)
        + _context(pricing, shard, redone, backward=False)
        + _dispatch(pricing, shard, redone, backward=False)
    )


def _priced(pricing: Pricing, kernels: list[NamedKernel]) -> Work:
    return priced(pricing, [kernel for _, kernel in kernels])


def _priced_backward(pricing: Pricing, kernels: list[NamedKernel]) -> Work:
    """Kernels that the engine of automatic differentiation launches, at its own pace."""
    work = _priced(pricing, kernels)
    return replace(work, launches=work.launches * pricing.stack.backward_launch)


def _tensor(pricing: Pricing, shard: Shard, block: Block, *, backward: bool) -> Work:
    """What no product hides of the collectives of tensor parallelism."""

    def calls(part: Shard) -> tuple[float, int]:
        found = list(tensor_collectives(pricing, part, block, backward=backward))
        return sum(time for *_, time in found), choose(part.tp > 1, len(found), 0)

    seconds, count = by_part(shard, ("sequence_parallel",), calls)
    return Work(tensor=seconds * _exposed(pricing, shard.tp), calls=count)


def _exposed(pricing: Pricing, tp: int) -> float:
    """Share of tensor-parallel communication that no product hides.

    Products in pieces send one while the next is multiplied, so one of ``tp`` pieces waits: the first of what
    is gathered, the last of what is reduced (Wang et al., "Overlap Communication with Dependent Computation
    via Decomposition", ASPLOS 2023, section 4). They copy through peer access, which ends with the node.
    """
    overlap = pricing.stack.tensor_overlap
    if overlap is not None:
        return 1 - overlap
    return choose(tp > pricing.cluster.node.devices, 1.0, 1 / tp)


def _dispatch(pricing: Pricing, shard: Shard, layers: tuple[Layer, ...], *, backward: bool) -> Work:
    """What no computation hides of sending tokens to their experts and back."""
    if not any(layer.token_exchange for layer in layers):
        return Work()

    def calls(part: Shard) -> tuple[float, int]:
        found = list(expert_exchanges(pricing, part, layers, backward=backward))
        return sum(time for *_, time in found), len(found)

    seconds, count = by_part(shard, ("tp", "ep", "etp"), calls)
    return Work(dispatch=seconds * (1 - pricing.stack.dispatch_overlap), calls=count)


def _context(pricing: Pricing, shard: Shard, layers: tuple[Layer, ...], *, backward: bool) -> Work:
    """Ring attention: keys and values travel round the group beside the attention of the part at hand.

    As many transfers as there are neighbours whose keys a query sees, twice the bytes backward (gradients of
    keys and values travel too); only what
    the attention kernels do not cover is exposed (Liu et al. 2023, section 3).
    """
    if np.all(shard.cp == 1):
        return Work()
    if any(layer.exchange for layer in layers):
        return _exchanged(pricing, shard, layers, backward=backward)
    which = Pass.INPUT_GRADIENT if backward else Pass.FORWARD
    exposed, hops = 0.0, shard.cp - 1
    for layer in layers:
        if layer.core is None:
            continue
        hops = ring_hops(layer.core, shard.cp)
        transfer = _ring_transfer(pricing, shard, layer, backward)
        kernels = layer_kernels(
            (layer,), which, shard=shard, precision=pricing.precision, stack=pricing.stack
        )
        cover = priced(pricing, kernels).device / (hops + 1)
        exposed = exposed + hops * larger(0.0, transfer - cover)
    return Work(context=exposed, calls=2 * hops)


@lru_cache(maxsize=4096)
def _ring_transfer(pricing: Pricing, shard: Shard, layer: Layer, backward: bool) -> float:
    """[s] of one transfer of a layer's keys and values to the next rank of the ring."""
    return sum((time for *_, time in context_transfers(pricing, shard, (layer,), backward=backward)), 0.0)


def _exchanged(pricing: Pricing, shard: Shard, layers: tuple[Layer, ...], *, backward: bool) -> Work:
    """What parts of a graph or of tables send each other; the layers wait for it."""

    def calls(part: Shard) -> tuple[float, int]:
        found = list(layer_exchanges(pricing, part, layers, backward=backward))
        return sum(time for *_, time in found), len(found)

    seconds, count = by_part(shard, ("tp", "cp"), calls)
    return Work(context=seconds, calls=count)
