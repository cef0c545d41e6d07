"""Block costs of a network whose layers are split one by one, beside :mod:`simdl.step.costs.block_cost`.

A block's nodes run one after another. A tensor that a node reads in another layout than it was written is
resharded when its block begins to read it, and its gradient on the way back; so the first copy of a repeated
block may cost other than those that read one another.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from simdl.kernels.block_kernels import NamedKernel
from simdl.kernels.pricing import Pricing, Work
from simdl.splits.arrangement import Arrangement, Parts, Resolved, resolve
from simdl.splits.beats import accumulated_kernels, node_kernels, node_messages
from simdl.splits.graph import Edge
from simdl.splits.message_times import message_use
from simdl.splits.node_cost import NodeCost, node_cost
from simdl.splits.resharding import reshard_message
from simdl.splits.site import Message, local_samples
from simdl.step.costs.block_cost import BlockCost
from simdl.step.costs.gradients import merged_shares
from simdl.step.strategy import Recompute
from workloads.network import Block
from workloads.operators import Pass

Use = tuple[str, str, float, float]
"""Layer, operation, [bytes] and [s] of a message."""


@lru_cache(maxsize=1024)
def split_block_costs(
    pricing: Pricing, arrangement: Arrangement, recompute: Recompute
) -> tuple[BlockCost, ...]:
    """Costs of every block in the chain of a network, in order.

    Args:
        pricing: what prices them; of a network on which the arrangement has no problems.
        arrangement: how the layers are split.
        recompute: discarded activations; none or full.
    """
    found = resolve(pricing.network, arrangement)
    nodes = [
        node_cost(node, choice, arrangement.ranks, pricing)
        for node, choice in zip(found.graph.nodes, found.choices, strict=True)
    ]
    chain: list[BlockCost] = []
    for index, block in enumerate(pricing.network.blocks):
        own = [cost for node, cost in zip(found.graph.nodes, nodes, strict=True) if node.block == index]
        first, later = (
            _resharding(reshards(found, arrangement, index, first=first), pricing) for first in (True, False)
        )
        mode = recompute if block.recomputable else Recompute.NONE
        read = chain[-1].boundary if chain else _image_bytes(block, own[0], arrangement, pricing)
        chain.append(_block_cost(own, first, mode, read))
        if block.count > 1:
            chain += [_block_cost(own, later, mode, own[-1].boundary)] * (block.count - 1)
    return tuple(chain)


def _image_bytes(block: Block, first: NodeCost, arrangement: Arrangement, pricing: Pricing) -> float:
    """[bytes] of a rank's part of what the first block of a network reads."""
    samples = local_samples(arrangement.samples, first.source)
    return block.input_elements / first.source.parts * samples * pricing.precision.activation


def _block_cost(
    nodes: list[NodeCost], resharding: tuple[Work, Work], mode: Recompute, input_bytes: float
) -> BlockCost:
    full = mode is Recompute.FULL
    forward = sum((node.forward for node in nodes), resharding[0])
    everything = sum(node.saved for node in nodes)
    kept = input_bytes if full else everything
    return BlockCost(
        forward=forward,
        input_gradient=sum((node.input_gradient for node in nodes), resharding[1]),
        weight_gradient=sum((node.weight_gradient for node in nodes), Work()),
        recompute=forward if full else Work(),
        gradients=merged_shares(node.gradient for node in nodes),
        saved=kept,
        transient=everything - kept + max(node.transient for node in nodes),
        boundary=nodes[-1].boundary,
        recomputed_flops=sum(node.recomputed_flops for node in nodes) if full else 0,
        redone=mode,
        brief=everything - kept + max(node.transient for node in nodes),
    )


@dataclass(frozen=True, slots=True)
class Reshard:
    """A tensor that changes layout, and its gradient; None where nothing is sent."""

    layer: str
    forward: Message | None
    backward: Message | None


def reshards(found: Resolved, arrangement: Arrangement, block: int, *, first: bool) -> Iterator[Reshard]:
    """Layout changes at the inputs of a block's nodes, of its first copy or of a later one."""
    nodes = found.graph.nodes
    for edge in found.graph.edges:
        inner = nodes[edge.source].block == block and not edge.back
        if nodes[edge.target].block == block and (inner or edge.back != first):
            yield edge_reshard(found, edge, arrangement.samples)


def edge_reshard(found: Resolved, edge: Edge, samples: int) -> Reshard:
    """The layout change of one tensor of so many samples."""
    reader = found.parts[edge.target][0]
    source = found.parts[edge.source][0].output
    target = reader.output if edge.late else reader.source
    elements = float(edge.elements * samples)
    return Reshard(
        found.graph.nodes[edge.target].sites[0].layer.name,
        reshard_message(source, target, elements),
        reshard_message(target, source, elements),
    )


def _resharding(changes: Iterator[Reshard], pricing: Pricing) -> tuple[Work, Work]:
    """Work of the layout changes of a block, forward and backward."""
    listed = list(changes)
    forward, backward = (
        [message for message in messages if message is not None]
        for messages in ([each.forward for each in listed], [each.backward for each in listed])
    )
    one, other = (
        Work(resharding=sum(message_use(m, pricing)[2] for m in messages), calls=len(messages))
        for messages in (forward, backward)
    )
    return one, other


def split_kernels(pricing: Pricing, arrangement: Arrangement, block: Block, which: Pass) -> list[NamedKernel]:
    """Kernels of one pass over a block, node by node."""
    return [
        kernel
        for parts in _block_parts(pricing, arrangement, block, which)
        for kernel in node_kernels(parts, which, pricing)
    ]


def split_accumulation(pricing: Pricing, arrangement: Arrangement, block: Block) -> list[NamedKernel]:
    """Kernels that add the gradients of a block to those of earlier microbatches."""
    parts = _block_parts(pricing, arrangement, block, Pass.WEIGHT_GRADIENT)
    return [kernel for node in parts for kernel in accumulated_kernels(node, pricing)]


def split_messages(pricing: Pricing, arrangement: Arrangement, block: Block, which: Pass) -> Iterator[Use]:
    """Messages of the splits in one pass over a block, hidden or not."""
    for parts in _block_parts(pricing, arrangement, block, which):
        yield from node_messages(parts, which, pricing)


def reshard_messages(
    pricing: Pricing, arrangement: Arrangement, block: Block, *, first: bool, backward: bool
) -> Iterator[Use]:
    """Messages of the layout changes of a block, of its first copy or of a later one."""
    index = pricing.network.blocks.index(block)
    for change in reshards(resolve(pricing.network, arrangement), arrangement, index, first=first):
        message = change.backward if backward else change.forward
        if message is not None:
            yield change.layer, *message_use(message, pricing)


def _block_parts(pricing: Pricing, arrangement: Arrangement, block: Block, which: Pass) -> list[Parts]:
    """What one rank does of the nodes of a block, in the order of a pass."""
    found = resolve(pricing.network, arrangement)
    index = pricing.network.blocks.index(block)
    own = [parts for node, parts in zip(found.graph.nodes, found.parts, strict=True) if node.block == index]
    return own if which is Pass.FORWARD else own[::-1]
