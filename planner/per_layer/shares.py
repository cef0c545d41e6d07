"""What every layer of a strategy with per-layer splits takes of the step."""

from dataclasses import dataclass

from simdl.kernels.pricing import Pricing
from simdl.splits.arrangement import resolve
from simdl.splits.block_costs import edge_reshard
from simdl.splits.message_times import messages_time
from simdl.splits.node_cost import NodeCost, node_cost
from simdl.splits.registry import format_choice
from simdl.step.costs.gradients import gradient_bytes, gradient_sum_time, replica_group
from simdl.step.strategy import Strategy, arrangement_of
from workloads.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTime:
    """One layer with those that follow it, over all its copies in the network; [s] on every rank.

    Attributes:
        layer: ``block/layer``.
        split: how it is divided.
        copies: how often it stands in the network.
        compute: kernels, forward and backward, of all microbatches.
        exchange: messages of the split, such as halos and sums, hidden or not.
        resharding: of its inputs and their gradients from the layouts they come in.
        gradient_sum: its share of the buckets that carry gradients, hidden or not.
    """

    layer: str
    split: str
    copies: int
    compute: float
    exchange: float
    resharding: float
    gradient_sum: float


def layer_times(strategy: Strategy, workload: Workload, pricing: Pricing) -> tuple[LayerTime, ...]:
    """The layers of a step in the order of the network."""
    found = resolve(workload.network, arrangement_of(strategy))
    microbatches = strategy.microbatches(workload.global_batch)
    costs = [
        node_cost(node, choice, strategy.split_degree, pricing)
        for node, choice in zip(found.graph.nodes, found.choices, strict=True)
    ]
    resharding = [0.0] * len(costs)
    for edge in found.graph.edges:
        change = edge_reshard(found, edge, strategy.micro_batch)
        sent = [message for message in (change.forward, change.backward) if message is not None]
        resharding[edge.target] += edge.count * microbatches * messages_time(sent, pricing)
    return tuple(
        LayerTime(
            layer=node.name,
            split=format_choice(cost.choice),
            copies=node.count,
            compute=node.count * microbatches * (cost.forward.device + cost.backward.device),
            exchange=node.count * microbatches * cost.exchange,
            resharding=moved,
            gradient_sum=node.count * sum_time(cost, strategy, pricing),
        )
        for node, cost, moved in zip(found.graph.nodes, costs, resharding, strict=True)
    )


def sum_time(cost: NodeCost, strategy: Strategy, pricing: Pricing) -> float:
    """[s] of a node's share of the bucket that carries its gradient."""
    group = replica_group(cost.gradient.group, strategy)
    nbytes = gradient_bytes(cost.gradient.parameters, pricing)
    filled = max(nbytes, pricing.stack.bucket)
    return gradient_sum_time(filled, group, pricing) * nbytes / filled if nbytes else 0.0
