"""Beats: what one pass over a node computes, and what it sends beside that.

A pass is a sequence of beats. In a beat the rank computes and communicates at the same time, and the next one
starts when both are done.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hardware.device import Device
from simdl.kernels.block_kernels import NamedKernel, accumulation_kernels
from simdl.kernels.cost_model import CostModel
from simdl.kernels.pricing import Pricing, kernel_work
from simdl.kernels.sharding import Shard, named_kernels
from simdl.software.stack import Stack
from simdl.splits.message_times import message_use, messages_time
from simdl.splits.site import Divided, Message, Phase
from workloads.dtypes import Precision
from workloads.layer import Layer
from workloads.operators import Pass

ROUNDING = 1e-15  # [s]


@dataclass(frozen=True, slots=True)
class Beat:
    """Seconds of computation and of communication that run beside each other.

    Attributes:
        compute, exchange: [s] of each.
        earlier: what is exchanged is the result of the pass before.
    """

    compute: float
    exchange: float
    earlier: bool = False

    @property
    def exposed(self) -> float:
        """[s] for which the exchange goes on after the computation."""
        return max(0.0, self.exchange - self.compute)


def _forward_beats(parts: Sequence[Divided], pricing: Pricing) -> Iterator[Beat]:
    """Halo beside the interior, boundary, reduction of the result, then the followers."""
    lead, *followers = parts
    own = _compute([lead], Pass.FORWARD, pricing)
    yield from _product(own, lead.forward, pricing)
    yield Beat(0.0, messages_time(lead.forward.after, pricing))
    yield Beat(0.0, sum(messages_time(part.forward.before, pricing) for part in followers))
    yield Beat(_compute(parts, Pass.FORWARD, pricing) - own, 0.0)


def _input_gradient_beats(parts: Sequence[Divided], pricing: Pricing) -> Iterator[Beat]:
    """Followers, then the gradient of the layer's input."""
    lead, *followers = parts
    own = _compute([lead], Pass.INPUT_GRADIENT, pricing)
    yield Beat(0.0, sum(messages_time(part.input_gradient.before, pricing) for part in followers))
    yield Beat(_compute(parts, Pass.INPUT_GRADIENT, pricing) - own, 0.0)
    yield from _product(own, lead.input_gradient, pricing)


def _weight_gradient_beats(parts: Sequence[Divided], pricing: Pricing) -> Iterator[Beat]:
    """Weight gradients beside the reduction of the input gradient."""
    lead = parts[0]
    yield Beat(0.0, messages_time(lead.weight_gradient.before, pricing))
    yield Beat(
        _compute(parts, Pass.WEIGHT_GRADIENT, pricing),
        messages_time(lead.input_gradient.after, pricing),
        earlier=True,
    )
    yield Beat(0.0, messages_time(lead.weight_gradient.after, pricing))


BEATS = {
    Pass.FORWARD: _forward_beats,
    Pass.INPUT_GRADIENT: _input_gradient_beats,
    Pass.WEIGHT_GRADIENT: _weight_gradient_beats,
}
"""The beats of every pass over a node."""


def _product(seconds: float, phase: Phase, pricing: Pricing) -> Iterator[Beat]:
    exchange = messages_time(phase.before, pricing)
    yield Beat(seconds * phase.interior, exchange)
    yield Beat(seconds * (1 - phase.interior), 0.0)


def real_beats(beats: Iterable[Beat]) -> tuple[Beat, ...]:
    """The beats in which something happens, computation in a row as one.

    Differences of sums may leave a rounding error below zero.
    """
    kept: list[Beat] = []
    for beat in beats:
        compute = max(beat.compute, 0.0)
        if kept and not beat.exchange and not kept[-1].exchange:
            kept[-1] = Beat(kept[-1].compute + compute, 0.0)
        elif max(compute, beat.exchange) > ROUNDING:
            kept.append(Beat(compute, beat.exchange, beat.earlier))
    return tuple(kept)


def _compute(parts: Sequence[Divided], which: Pass, pricing: Pricing) -> float:
    """[s] of the kernels of one pass."""
    return pass_work(parts, which, pricing)[0]


def pass_work(parts: Sequence[Divided], which: Pass, pricing: Pricing) -> tuple[float, float, float]:
    """[s], launches and [bytes] of workspace of the kernels of one pass over a node, whatever it sends."""
    layers, device = tuple(part.layer for part in parts), pricing.cluster.device
    return _kernel_work(
        layers, which, parts[0].samples, pricing.precision, pricing.stack, device, pricing.cost_model
    )


@lru_cache(maxsize=65536)
def _kernel_work(  # noqa: PLR0917 - what kernels and their seconds hang on
    layers: tuple[Layer, ...],
    which: Pass,
    samples: int,
    precision: Precision,
    stack: Stack,
    device: Device,
    model: CostModel,
) -> tuple[float, float, float]:
    kernels = _pass_kernels(layers, which, samples, precision, stack)
    if which is Pass.WEIGHT_GRADIENT:  # fresh ones are added to those of earlier microbatches
        kernels += accumulation_kernels(layers, Shard(), precision, stack)
    work = kernel_work([kernel for _, kernel in kernels], stack, device, model)
    pace = 1.0 if which is Pass.FORWARD else stack.backward_launch
    return work.device, work.launches * pace, work.workspace


def _pass_kernels(
    layers: tuple[Layer, ...], which: Pass, samples: int, precision: Precision, stack: Stack
) -> list[NamedKernel]:
    return named_kernels(
        layers if which is Pass.FORWARD else layers[::-1],
        which,
        shard=Shard(micro_batch=samples),
        precision=precision,
        stack=stack,
    )


def node_kernels(parts: Sequence[Divided], which: Pass, pricing: Pricing) -> list[NamedKernel]:
    """Kernels of one pass over a node in launch order, without the adding up of several microbatches."""
    layers = tuple(part.layer for part in parts)
    return _pass_kernels(layers, which, parts[0].samples, pricing.precision, pricing.stack)


def accumulated_kernels(parts: Sequence[Divided], pricing: Pricing) -> list[NamedKernel]:
    """Kernels that add the gradients of a node to those of earlier microbatches."""
    return accumulation_kernels(
        tuple(part.layer for part in parts), Shard(), pricing.precision, pricing.stack
    )


def pass_messages(parts: Sequence[Divided], which: Pass) -> Iterator[tuple[Divided, Message]]:
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
    for part, message in pass_messages(parts, which):
        yield part.layer.name, *message_use(message, pricing)
