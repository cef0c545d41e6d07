"""Cost of one node of a layer graph in one split: the stages of its two passes, parameters and memory.

A forward or backward pass is a sequence of beats. In a beat the rank computes and communicates at the same
time, and the next one starts when both are done; the simulator runs beats as tasks on two streams, and the
planner adds up their durations.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from simdl.collectives import Group, collective_time, ring_time
from simdl.kernel import Kernel
from simdl.layer_graph import Node
from simdl.layer_splits.layout import Layout
from simdl.layer_splits.registry import Choice, enumerate_choices, follow
from simdl.layer_splits.site import Divided, Message, Phase
from simdl.pricing import Pricing, priced
from simdl.resharding import reshard_message
from simdl.sharding import Shard, layer_kernels
from simdl.step_cost import gradient_bytes, gradient_sum_time
from workloads.layer import Layer
from workloads.operators import Pass

ROUNDING = 1e-15  # [s]


@dataclass(frozen=True, slots=True)
class Beat:
    """Seconds of computation and of communication that run beside each other."""

    compute: float
    exchange: float

    @property
    def duration(self) -> float:
        """[s] until both are done."""
        return max(self.compute, self.exchange)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCost:
    """One node in one split on one rank.

    Attributes:
        choice: the split.
        source: layout in which it reads its inputs.
        output: layout of its output.
        forward: beats of the forward pass.
        backward: beats of the backward pass.
        host: [s] the host needs to launch the (forward, backward) pass.
        gradients: elements of each gradient tensor of this rank, in the order the backward pass makes them.
        replicas: ranks among which their gradient is added up.
        reduce: [s] of that sum, as a share of the bucket it travels in.
        saved: [bytes] kept from forward to backward.
        transient: [bytes] live only while the node runs.
    """

    choice: Choice
    source: Layout
    output: Layout
    forward: tuple[Beat, ...]
    backward: tuple[Beat, ...]
    host: tuple[float, float]
    gradients: tuple[int, ...]
    replicas: Group
    reduce: float
    saved: float
    transient: float

    @property
    def parameters(self) -> int:
        """Elements this rank keeps."""
        return sum(self.gradients)

    @property
    def forward_time(self) -> float:
        """Duration of the pass [s]."""
        return sum(beat.duration for beat in self.forward)

    @property
    def backward_time(self) -> float:
        """Duration of the pass [s]."""
        return sum(beat.duration for beat in self.backward)


def node_costs(node: Node, pricing: Pricing, inner: Sequence[int]) -> tuple[NodeCost, ...]:
    """Costs of every split that applies to a node, with groups of each of the ``inner`` sizes."""
    ranks = pricing.cluster.devices
    return tuple(
        _node_cost(node, choice, divided, pricing)
        for choice, divided in enumerate_choices(node.sites[0], ranks, inner)
        if _follows(node, divided.output)
    )


def _follows(node: Node, layout: Layout) -> bool:
    return all(layout.fits(site.layer.output_shape) for site in node.sites[1:])


def _node_cost(node: Node, choice: Choice, divided: Divided, pricing: Pricing) -> NodeCost:
    parts = [divided, *(follow(site, divided.output) for site in node.sites[1:])]
    activation = pricing.precision.activation
    largest = max(site.layer.output_elements for site in node.sites) / divided.output.parts
    gradients = tuple(size for part in reversed(parts) for size in _gradients(part.layer))
    backward = (Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT)
    phases = [phase for part in parts for phase in (part.input_gradient, part.weight_gradient)]
    return NodeCost(
        choice=choice,
        source=divided.source,
        output=divided.output,
        forward=_real(_forward_beats(parts, pricing)),
        backward=_real(_backward_beats(parts, pricing)),
        host=(
            _host(parts, (Pass.FORWARD,), [part.forward for part in parts], pricing),
            _host(parts, backward, phases, pricing),
        ),
        gradients=gradients,
        replicas=divided.replicas,
        reduce=sum(_amortised_reduce_time(size, divided.replicas, pricing) for size in gradients),
        saved=sum(_saved(part, activation) for part in parts),
        transient=(2 * largest * parts[-1].samples + divided.gathered) * activation,
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
    return priced(pricing, _kernels(parts, which, pricing)).device


def _kernels(parts: Sequence[Divided], which: Pass, pricing: Pricing) -> list[Kernel]:
    layers = tuple(part.layer for part in parts)
    shard = Shard(micro_batch=parts[0].samples)
    return layer_kernels(
        layers if which is Pass.FORWARD else layers[::-1],
        which,
        shard=shard,
        precision=pricing.precision,
        stack=pricing.stack,
    )


def _host(
    parts: Sequence[Divided], passes: Sequence[Pass], phases: Sequence[Phase], pricing: Pricing
) -> float:
    """[s] to launch the kernels and call the collectives of some passes."""
    launches = sum(len(_kernels(parts, which, pricing)) for which in passes)
    calls = sum(len(phase.before) + len(phase.after) for phase in phases)
    return launches * pricing.stack.launch + calls * pricing.stack.collective_launch


def _gradients(layer: Layer) -> Iterator[int]:
    """Elements of the bias, if any, and of the weights; scale and shift of a normalisation."""
    if layer.kind == "normalization":
        yield from (layer.parameters // 2, layer.parameters - layer.parameters // 2)
        return
    bias = sum(operator.weights for operator in layer.forward if operator.name == "bias")
    yield from (size for size in (bias, layer.parameters - bias) if size > 0)


def _saved(part: Divided, activation: int) -> float:
    return sum(
        tensor.elements * part.samples * (tensor.element_size or activation) for tensor in part.layer.saved
    )


def messages_time(messages: Iterable[Message], pricing: Pricing) -> float:
    """[s] of messages one after another."""
    return sum(_message_time(message, pricing) for message in messages)


def _message_time(message: Message, pricing: Pricing) -> float:
    precision = pricing.precision
    nbytes = message.elements * (precision.parameter if message.parameters else precision.activation)
    cluster, library, group = pricing.cluster, pricing.stack.library, message.group
    if message.operation is not None:
        return collective_time(message.operation, nbytes, group, cluster, library=library).time
    return ring_time(nbytes, group, cluster, library)


def reshard_time(source: Layout, target: Layout, elements: float, pricing: Pricing) -> float:
    """[s] to change the layout of a tensor of so many elements, all samples together."""
    message = reshard_message(source, target, elements)
    return 0.0 if message is None else _message_time(message, pricing)


def reduce_gradient_time(parameters: float, replicas: Group, pricing: Pricing) -> float:
    """[s] to add up the gradient of some parameters over the ranks that hold them."""
    return gradient_sum_time(gradient_bytes(parameters, pricing), replicas, pricing)


def _amortised_reduce_time(parameters: int, replicas: Group, pricing: Pricing) -> float:
    """[s] of a tensor's share of the bucket that carries its gradient."""
    bucket = pricing.stack.bucket / gradient_bytes(1.0, pricing)
    filled = max(float(parameters), bucket)
    return reduce_gradient_time(filled, replicas, pricing) * parameters / filled if parameters else 0.0
