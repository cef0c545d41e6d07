"""One step of a per-layer plan, priced: the split of every node, and what it costs beside the nodes.

The lowering turns it into tasks, the planner adds it up; both read the same numbers.
"""

from dataclasses import dataclass

from simdl.layer_cost import NodeCost, reshard_time
from simdl.layer_graph import Edge, LayerGraph
from simdl.memory import state_bytes
from simdl.pricing import Pricing
from simdl.step_cost import optimizer_time
from simdl.strategy import Strategy
from workloads.workload import Workload

PLAIN = Strategy()  # no ZeRO: every rank updates the parameters it holds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerStep:
    """One step with a split for every node.

    Attributes:
        graph: nodes and tensors.
        costs: one per node, in the order of ``graph.nodes``.
        workload: what is computed.
        pricing: what prices it.
    """

    graph: LayerGraph
    costs: tuple[NodeCost, ...]
    workload: Workload
    pricing: Pricing

    @property
    def parameters(self) -> int:
        """Elements one rank keeps."""
        pairs = zip(self.graph.nodes, self.costs, strict=True)
        return sum(node.count * cost.parameters for node, cost in pairs)

    @property
    def update_time(self) -> float:
        """[s] of the optimizer on one rank's parameters."""
        return optimizer_time(self.parameters, self.workload, PLAIN, self.pricing)


def edge_times(step: LayerStep, edge: Edge) -> tuple[float, float]:
    """[s] to reshard a tensor forward, and its gradient backward."""
    reader = step.costs[edge.target]
    source, target = step.costs[edge.source].output, reader.output if edge.late else reader.source
    elements = float(edge.elements * step.workload.global_batch)
    return (
        reshard_time(source, target, elements, step.pricing),
        reshard_time(target, source, elements, step.pricing),
    )


def layer_memory(step: LayerStep) -> dict[str, float]:
    """[bytes] at the peak of a rank, by part; every rank holds as much."""
    pairs = list(zip(step.graph.nodes, step.costs, strict=True))
    return {
        **state_bytes(float(step.parameters), PLAIN, step.workload, step.pricing),
        "activations": sum(node.count * cost.saved for node, cost in pairs),
        "transient": max(cost.transient for cost in step.costs),
        "context": step.pricing.stack.memory_context,
    }
