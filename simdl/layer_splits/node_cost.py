"""Cost of one node of a layer graph in one split: what its two passes compute, send and keep.

A forward or backward pass is a sequence of beats. In a beat the rank computes and communicates at the same
time, and the next one starts when both are done, so what a beat exposes of its exchange is what goes on after
its computation: kernels and exposed exchanges add up to the pass.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from simdl.block_kernels import NamedKernel, accumulation_kernels
from simdl.collectives import collective_time, ring_time
from simdl.errors import SimdlError
from simdl.gradients import GradientShare, gradient_tensors
from simdl.layer_splits.arrangement import divide_node
from simdl.layer_splits.graph import Node
from simdl.layer_splits.layout import Layout
from simdl.layer_splits.registry import Choice, enumerate_choices
from simdl.layer_splits.resharding import reshard_message
from simdl.layer_splits.site import Divided, Message, Phase
from simdl.pricing import Pricing, Work, priced
from simdl.sharding import Shard, named_kernels
from workloads.operators import PRODUCTS, Pass

ROUNDING = 1e-15  # [s]
BACKWARD = (Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT)


@dataclass(frozen=True, slots=True)
class Beat:
    """Seconds of computation and of communication that run beside each other."""

    compute: float
    exchange: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NodeCost:
    """One node in one split on one rank.

    Attributes:
        choice: the split.
        source: layout in which it reads its inputs.
        output: layout of its output.
        forward, backward: work of each pass, its exposed exchanges as tensor communication.
        exchange: [s] of all messages of both passes, hidden or not.
        gradient: the parameters of this rank, and the ranks that hold the same ones.
        saved: [bytes] kept from forward to backward.
        transient: [bytes] live only while the node runs.
        boundary: [bytes] of the output that this rank holds.
        recomputed_flops: product flops per sample of the whole node.
    """

    choice: Choice
    source: Layout
    output: Layout
    forward: Work
    backward: Work
    exchange: float
    gradient: GradientShare
    saved: float
    transient: float
    boundary: float
    recomputed_flops: int


def node_costs(node: Node, pricing: Pricing, ranks: int, inner: Sequence[int]) -> tuple[NodeCost, ...]:
    """Costs of every split that applies to a node, with groups of each of the ``inner`` sizes."""
    found: list[NodeCost] = []
    for choice, _ in enumerate_choices(node.sites[0], ranks, inner):
        with suppress(SimdlError):  # more parts than a layer behind it has
            found.append(node_cost(node, choice, ranks, pricing))
    return tuple(found)


@lru_cache(maxsize=65536)
def node_cost(node: Node, choice: Choice, ranks: int, pricing: Pricing) -> NodeCost:
    """Cost of a node in one split over so many ranks.

    Raises:
        SimdlError: the split does not apply.
    """
    parts = divide_node(node, choice, ranks)
    lead, last = parts[0], parts[-1]
    activation = pricing.precision.activation
    largest = max(site.layer.output_elements for site in node.sites) / lead.output.parts
    forward, backward = _real(_forward_beats(parts, pricing)), _real(_backward_beats(parts, pricing))
    return NodeCost(
        choice=choice,
        source=lead.source,
        output=lead.output,
        forward=_work(forward, parts, (Pass.FORWARD,), pricing),
        backward=_work(backward, parts, BACKWARD, pricing),
        exchange=sum(beat.exchange for beat in (*forward, *backward)),
        gradient=GradientShare(
            lead.replicas,
            float(sum(part.layer.parameters for part in parts)),
            sum(gradient_tensors(part.layer) for part in parts),
        ),
        saved=sum(_saved(part, activation) for part in parts),
        transient=(2 * largest * last.samples + lead.gathered) * activation,
        boundary=node.sites[-1].layer.output_elements / lead.output.parts * last.samples * activation,
        recomputed_flops=sum(
            operator.flops
            for site in node.sites
            for operator in site.layer.forward
            if operator.kind in PRODUCTS
        ),
    )


def _work(beats: Iterable[Beat], parts: Sequence[Divided], passes: Sequence[Pass], pricing: Pricing) -> Work:
    """The seconds of some beats by cause, and what the host launches and calls for them."""
    pairs = [(beat.compute, max(0.0, beat.exchange - beat.compute)) for beat in beats]
    return Work(
        device=sum(compute for compute, _ in pairs),
        tensor=sum(exposed for _, exposed in pairs),
        launches=sum(len(_all_kernels(parts, which, pricing)) for which in passes),
        calls=sum(len(list(_messages(parts, which))) for which in passes),
    )


def _forward_beats(parts: Sequence[Divided], pricing: Pricing) -> Iterator[Beat]:
    """Halo beside the interior, boundary, reduction of the result, then the followers."""
    lead, *followers = parts
    own = _compute([lead], Pass.FORWARD, pricing)
    yield from _product(own, lead.forward, pricing)
    yield Beat(0.0, messages_time(lead.forward.after, pricing))
    yield Beat(0.0, sum(messages_time(part.forward.before, pricing) for part in followers))
    yield Beat(_compute(parts, Pass.FORWARD, pricing) - own, 0.0)


def _backward_beats(parts: Sequence[Divided], pricing: Pricing) -> Iterator[Beat]:
    """Followers, input gradient, then its reduction beside the weight gradient."""
    lead, *followers = parts
    own, weights = (_compute([lead], which, pricing) for which in (Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT))
    both = sum(_compute(parts, which, pricing) for which in (Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT))
    yield Beat(0.0, sum(messages_time(part.input_gradient.before, pricing) for part in followers))
    yield Beat(both - own - weights, 0.0)
    yield from _product(own, lead.input_gradient, pricing)
    yield Beat(0.0, messages_time(lead.weight_gradient.before, pricing))
    yield Beat(weights, messages_time(lead.input_gradient.after, pricing))
    yield Beat(0.0, messages_time(lead.weight_gradient.after, pricing))


def _product(seconds: float, phase: Phase, pricing: Pricing) -> Iterator[Beat]:
    exchange = messages_time(phase.before, pricing)
    yield Beat(seconds * phase.interior, exchange)
    yield Beat(seconds * (1 - phase.interior), 0.0)


def _real(beats: Iterable[Beat]) -> tuple[Beat, ...]:
    """The beats in which something happens, computation in a row as one.

    Differences of sums may leave a rounding error below zero.
    """
    kept: list[Beat] = []
    for beat in beats:
        compute = max(beat.compute, 0.0)
        if kept and not beat.exchange and not kept[-1].exchange:
            kept[-1] = Beat(kept[-1].compute + compute, 0.0)
        elif max(compute, beat.exchange) > ROUNDING:
            kept.append(Beat(compute, beat.exchange))
    return tuple(kept)


def _compute(parts: Sequence[Divided], which: Pass, pricing: Pricing) -> float:
    """[s] of the kernels of one pass."""
    return priced(pricing, [kernel for _, kernel in _all_kernels(parts, which, pricing)]).device


def _all_kernels(parts: Sequence[Divided], which: Pass, pricing: Pricing) -> list[NamedKernel]:
    """Kernels of one pass over a node; fresh weight gradients are added to those of earlier microbatches."""
    added = accumulated_kernels(parts, pricing) if which is Pass.WEIGHT_GRADIENT else []
    return [*node_kernels(parts, which, pricing), *added]


def node_kernels(parts: Sequence[Divided], which: Pass, pricing: Pricing) -> list[NamedKernel]:
    """Kernels of one pass over a node in launch order, without the adding up of several microbatches."""
    layers = tuple(part.layer for part in parts)
    return named_kernels(
        layers if which is Pass.FORWARD else layers[::-1],
        which,
        shard=Shard(micro_batch=parts[0].samples),
        precision=pricing.precision,
        stack=pricing.stack,
    )


def accumulated_kernels(parts: Sequence[Divided], pricing: Pricing) -> list[NamedKernel]:
    """Kernels that add the gradients of a node to those of earlier microbatches."""
    return accumulation_kernels(pricing, Shard(), tuple(part.layer for part in parts))


def _messages(parts: Sequence[Divided], which: Pass) -> Iterator[tuple[Divided, Message]]:
    """Messages of one pass over a node, each with the layer whose it is."""
    for part in parts:
        phase = _phase(part, which)
        yield from ((part, message) for message in (*phase.before, *phase.after))


def _phase(part: Divided, which: Pass) -> Phase:
    if which is Pass.FORWARD:
        return part.forward
    return part.input_gradient if which is Pass.INPUT_GRADIENT else part.weight_gradient


def node_messages(
    parts: Sequence[Divided], which: Pass, pricing: Pricing
) -> Iterator[tuple[str, str, float, float]]:
    """Layer, operation, [bytes] and [s] of every message of one pass over a node, hidden or not."""
    for part, message in _messages(parts, which):
        yield part.layer.name, *message_use(message, pricing)


def message_use(message: Message, pricing: Pricing) -> tuple[str, float, float]:
    """Operation, [bytes] and [s] of a message."""
    name = "point_to_point" if message.operation is None else message.operation.value
    return name, _message_bytes(message, pricing), messages_time((message,), pricing)


def _saved(part: Divided, activation: int) -> float:
    return sum(
        tensor.elements * part.samples * (tensor.element_size or activation) for tensor in part.layer.saved
    )


def messages_time(messages: Iterable[Message], pricing: Pricing) -> float:
    """[s] of messages one after another."""
    return sum(_message_time(message, pricing) for message in messages)


def _message_bytes(message: Message, pricing: Pricing) -> float:
    precision = pricing.precision
    return message.elements * (precision.parameter if message.parameters else precision.activation)


def _message_time(message: Message, pricing: Pricing) -> float:
    cluster, library, group = pricing.cluster, pricing.stack.library, message.group
    nbytes = _message_bytes(message, pricing)
    if message.operation is not None:
        return collective_time(message.operation, nbytes, group, cluster, library=library).time
    return ring_time(nbytes, group, cluster, library)


def reshard_time(source: Layout, target: Layout, elements: float, pricing: Pricing) -> float:
    """[s] to change the layout of a tensor of so many elements, all samples together."""
    message = reshard_message(source, target, elements)
    return 0.0 if message is None else _message_time(message, pricing)
