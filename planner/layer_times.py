"""What every layer of a per-layer plan takes of the step."""

from dataclasses import dataclass

from simdl.layer_splits.registry import format_choice
from simdl.layer_step import LayerStep, edge_times


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTime:
    """One layer with those that follow it, over all its copies in the network; [s] on every rank.

    Attributes:
        layer: ``block/layer``.
        split: how it is divided.
        copies: how often it stands in the network.
        compute: kernels, forward and backward.
        exchange: messages of the split, such as halos and sums, hidden or not.
        resharding: of its inputs and their gradients from the layouts they come in, hidden or not.
        gradient_sum: its share of the buckets that carry gradients, hidden or not.
    """

    layer: str
    split: str
    copies: int
    compute: float
    exchange: float
    resharding: float
    gradient_sum: float


def layer_times(step: LayerStep) -> tuple[LayerTime, ...]:
    """The layers of a step in the order of the network."""
    resharding = [0.0] * len(step.costs)
    for edge in step.graph.edges:
        resharding[edge.target] += edge.count * sum(edge_times(step, edge))
    return tuple(
        LayerTime(
            layer=node.name,
            split=format_choice(cost.choice),
            copies=node.count,
            compute=node.count * sum(beat.compute for beat in (*cost.forward, *cost.backward)),
            exchange=node.count * sum(beat.exchange for beat in (*cost.forward, *cost.backward)),
            resharding=moved,
            gradient_sum=node.count * cost.reduce,
        )
        for node, cost, moved in zip(step.graph.nodes, step.costs, resharding, strict=True)
    )
