"""What one pass over a block runs, for one microbatch on one rank: kernels by layer, and collectives.

Costs add these up, the operators of the critical path name them; both read the same lists.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import prod

from simdl.communication import Group, Operation, collective_seconds, ring_time
from simdl.kernels.kernel import Kernel
from simdl.kernels.pricing import Pricing
from simdl.kernels.sharding import Shard, named_kernels, pass_layers, rank_core
from simdl.software.stack import Stack
from workloads.amounts import larger, some
from workloads.dtypes import Precision
from workloads.exchange import Halo
from workloads.layer import Layer, TokenExchange, gradient_tensors
from workloads.layers.tokens.experts import ALL_GATHER, ALL_TO_ALL
from workloads.network import Block
from workloads.operators import OperatorKind, Pass, Routing

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
        *accumulation_kernels(block.layers, shard, pricing.precision, pricing.stack),
    ]


def recomputed_kernels(pricing: Pricing, shard: Shard, layers: tuple[Layer, ...]) -> list[NamedKernel]:
    """Forward kernels of some layers, as they run again in the backward pass."""
    return named_kernels(layers, Pass.FORWARD, shard=shard, precision=pricing.precision, stack=pricing.stack)


def _kernels(pricing: Pricing, shard: Shard, block: Block, which: Pass) -> list[NamedKernel]:
    return named_kernels(
        pass_layers(block, which), which, shard=shard, precision=pricing.precision, stack=pricing.stack
    )


def accumulation_kernels(
    layers: tuple[Layer, ...], shard: Shard, precision: Precision, stack: Stack
) -> list[NamedKernel]:
    """Adding fresh weight gradients to those that are there, where no product's epilogue does it.

    Programs that fill gradients with zeros between steps rather than drop them (``zero_grad`` of PyTorch
    before 2.0) have something to add to in every backward pass: two launches a variable. One filling stands
    beside every addition, so those of further microbatches are counted four elements where they move three.
    """
    if stack.zeroed_gradients:
        return list(_zeroed(layers, shard, precision))
    traffic = stack.accumulation_traffic
    if not traffic:
        return []
    dtype = precision.attention
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


def _zeroed(layers: tuple[Layer, ...], shard: Shard, precision: Precision) -> Iterator[NamedKernel]:
    """For each variable the filling of its gradient, and the sum of that and the fresh one."""
    dtype = precision.attention
    for layer in layers:
        variables = gradient_tensors(layer)
        elements = layer.parameters * shard.parameter_share(layer.parameter_split) / max(1, variables)
        for name, moved in (("zero", 1), ("accumulate", 3)):
            kernel = Kernel(name, OperatorKind.ELEMENTWISE, 0.0, moved * elements * precision.gradient, dtype)
            yield from [(layer.name, kernel)] * variables


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
    if not some(shard.tp > 1):
        return
    gather, scatter, reduce = Operation.ALL_GATHER, Operation.REDUCE_SCATTER, Operation.ALL_REDUCE
    if shard.sequence_parallel:
        ends: Ends = ((gather, scatter), (gather,)) if backward else ((gather,), (scatter,))
    else:
        ends = ((reduce,), ()) if backward else ((), (reduce,))
    scale = shard.micro_batch / shard.cp * pricing.precision.activation
    for layer in block.layers:
        for elements, operations in zip((layer.tensor_entry, layer.tensor_exit), ends, strict=True):
            for operation in operations if elements else ():
                seconds = _tensor_seconds(operation, elements, pricing, shard)
                yield layer.name, operation, elements * scale, seconds


@lru_cache(maxsize=4096)
def _tensor_seconds(operation: Operation, elements: int, pricing: Pricing, shard: Shard) -> float:
    """[s] of a collective of tensor-parallel ranks over so many elements of a sample."""
    nbytes = elements * (shard.micro_batch / shard.cp * pricing.precision.activation)
    group, library = Group(size=shard.tp, stride=1), pricing.stack.library
    return collective_seconds(operation, nbytes, group, pricing.cluster, library=library)


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


def expert_exchanges(
    pricing: Pricing, shard: Shard, layers: tuple[Layer, ...], *, backward: bool
) -> Iterator[tuple[str, Operation, float, float]]:
    """What sends tokens to their experts and back, by the stack's way of dispatch.

    Of a layer's n tokens on a rank, each chooses k experts. ``all_to_all`` sends n k rows over the
    expert-parallel ranks; ranks that share an expert gather the rows of one another, or add up what they
    bring back. ``all_gather`` gathers the n tokens of all ranks that hold experts, and reduces what comes
    back. ``deduplicated`` sends a token once to each node that holds some of its experts, and there once to
    each rank, both at the same time. What goes to experts forward comes back as a gradient backward, by the
    reverse collectives. The busiest rank's load stretches what depends on the choice.

    Yields:
        Layer, operation, [bytes] of the message and [s] it takes before any computation hides it.
    """
    tokens = shard.micro_batch / (shard.cp * shard.tp) * pricing.precision.activation
    for layer in layers:
        exchange = layer.token_exchange
        if exchange is not None:
            outward = exchange.back == backward
            for operation, nbytes, seconds in _exchange(pricing, shard, exchange, tokens, outward=outward):
                yield layer.name, operation, nbytes, seconds


def _exchange(
    pricing: Pricing, shard: Shard, exchange: TokenExchange, tokens: float, *, outward: bool
) -> Iterator[tuple[Operation, float, float]]:
    """The collectives of one exchange, in either direction."""
    routing, stack = exchange.routing, pricing.stack
    each = exchange.elements * tokens
    gather = Operation.ALL_GATHER if outward else Operation.REDUCE_SCATTER
    if stack.dispatch == ALL_GATHER:
        ranks = shard.ep * shard.etp
        if ranks > 1:
            yield _collective(pricing, gather, each * ranks, Group(size=ranks, stride=1))
        return
    found = []
    if shard.ep > 1 and stack.dispatch == ALL_TO_ALL:
        rows = each * routing.chosen * routing.stretch(shard.ep)
        found.append(_collective(pricing, Operation.ALL_TO_ALL, rows, Group(size=shard.ep, stride=shard.etp)))
    elif shard.ep > 1:
        found.append(_deduplicated(pricing, shard, routing, each * routing.stretch(shard.ep)))
    if shard.etp > 1:
        rows = each * routing.chosen * routing.stretch(shard.ep) * shard.etp
        found.append(_collective(pricing, gather, rows, Group(size=shard.etp, stride=1)))
    yield from found if outward else reversed(found)


def _deduplicated(
    pricing: Pricing, shard: Shard, routing: Routing, nbytes: float
) -> tuple[Operation, float, float]:
    """One copy of a token per node over the network, beside one per rank within nodes."""
    domain = pricing.cluster.levels[0].size
    nodes = max(1, -(-shard.ep * shard.etp // domain))
    inside = max(1, shard.ep // nodes)
    copies = nbytes * places(routing, shard.ep)
    sent, seconds = copies, 0.0
    if inside > 1:
        group = Group(size=inside, stride=shard.etp)
        _, _, seconds = _collective(pricing, Operation.ALL_TO_ALL, copies, group)
    if nodes > 1:
        group = Group(size=nodes, stride=shard.etp * inside)
        sent = nbytes * places(routing, nodes)
        _, _, across = _collective(pricing, Operation.ALL_TO_ALL, sent, group)
        seconds = larger(seconds, across)
    return Operation.ALL_TO_ALL, sent, seconds


def places(routing: Routing, count: int) -> float:
    """Mean number of ``count`` places, holding as many experts each, where a token has some of its own.

    count x (1 - P(none of its k experts there)), of all choices equally likely; where a token chooses among
    some groups of experts only, of the places that hold these.

    Example:
        >>> places(Routing(experts=8, chosen=1), 4), places(Routing(experts=8, chosen=8), 4)
        (1.0, 4.0)
    """
    experts, within = routing.experts, float(count)
    if routing.groups > 1 and count >= routing.groups:
        share = routing.chosen_groups / routing.groups
        experts, within = int(experts * share), count * share
    here = experts / within
    none = prod(max(0.0, experts - here - i) / (experts - i) for i in range(routing.chosen))
    return float(within * (1 - none))


def _collective(
    pricing: Pricing, operation: Operation, nbytes: float, group: Group
) -> tuple[Operation, float, float]:
    seconds = collective_seconds(operation, nbytes, group, pricing.cluster, library=pricing.stack.library)
    return operation, nbytes, seconds


def context_transfers(
    pricing: Pricing, shard: Shard, layers: tuple[Layer, ...], *, backward: bool
) -> Iterator[tuple[Layer, float, float]]:
    """Layers whose keys and values travel round the context-parallel ring: :func:`ring_hops` times.

    Yields:
        Layer, [bytes] of one transfer and [s] it takes before attention hides it.
    """
    if not some(shard.cp > 1):
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
