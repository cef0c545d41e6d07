"""Cost of one node of a layer graph in one split: what its passes compute, send and keep.

What a beat exposes of its exchange is what goes on after its computation, so kernels and exposed exchanges
add up to the pass.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from simdl.errors import SimdlError
from simdl.kernels.pricing import Pricing, Work
from simdl.splits.arrangement import divide_node
from simdl.splits.beats import BEATS, Beat, pass_messages, pass_work, real_beats
from simdl.splits.graph import Node
from simdl.splits.layout import Layout
from simdl.splits.registry import Choice, enumerate_choices
from simdl.splits.site import Divided
from simdl.step.costs.gradients import GradientShare
from workloads.layer import gradient_tensors
from workloads.operators import PRODUCTS, Pass


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NodeCost:
    """One node in one split on one rank.

    Attributes:
        choice: the split.
        source: layout in which it reads its inputs.
        output: layout of its output.
        forward, input_gradient, weight_gradient: work of each pass, its exposed exchanges as tensor
            communication; the gradient of the input is exchanged beside the weight gradient.
        exchange: [s] of all messages of these passes, hidden or not.
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
    input_gradient: Work
    weight_gradient: Work
    exchange: float
    gradient: GradientShare
    saved: float
    transient: float
    boundary: float
    recomputed_flops: int

    @property
    def backward(self) -> Work:
        """Both gradients."""
        return self.input_gradient + self.weight_gradient


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
    beats = {which: real_beats(BEATS[which](parts, pricing)) for which in Pass}
    forward, input_gradient, weight_gradient = (_work(beats[which], parts, which, pricing) for which in Pass)
    input_gradient += Work(tensor=_exposed(beats[Pass.WEIGHT_GRADIENT], earlier=True))
    return NodeCost(
        choice=choice,
        source=lead.source,
        output=lead.output,
        forward=forward,
        input_gradient=input_gradient,
        weight_gradient=weight_gradient,
        exchange=sum(beat.exchange for which in Pass for beat in beats[which]),
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


def _work(beats: Sequence[Beat], parts: Sequence[Divided], which: Pass, pricing: Pricing) -> Work:
    """The seconds of the beats of a pass by cause, and what the host launches and calls for them."""
    _, launches, workspace = pass_work(parts, which, pricing)
    return Work(
        device=sum(beat.compute for beat in beats),
        tensor=_exposed(beats, earlier=False),
        launches=launches,
        calls=len(list(pass_messages(parts, which))),
        workspace=workspace,
    )


def _exposed(beats: Sequence[Beat], *, earlier: bool) -> float:
    """[s] of messages that no computation hides, of the pass itself or of the one before."""
    return sum(beat.exposed for beat in beats if beat.earlier is earlier)


def _saved(part: Divided, activation: int) -> float:
    return sum(
        tensor.elements * part.samples * (tensor.element_size or activation) for tensor in part.layer.saved
    )
