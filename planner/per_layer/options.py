"""The numbers of a per-layer choice: node costs of every split as a problem that the integer program reads.

Several microbatches pass forward and backward before the last backward pass, beside which gradients are added
up; they count to what is passed forward.
"""

from collections.abc import Iterator, Mapping, Sequence

from planner.per_layer.problem import Item, LayerProblem, Matrix, Option, Tensor
from planner.per_layer.shares import sum_time
from simdl.kernels.pricing import Pricing
from simdl.memory.context import context_bytes
from simdl.memory.needs import resident_bytes, usable_memory
from simdl.splits.graph import Edge, LayerGraph
from simdl.splits.layout import Layout
from simdl.splits.message_times import reshard_time
from simdl.splits.node_cost import NodeCost
from simdl.step.costs.stage import host_time
from simdl.step.costs.update import host_overhead, update_time
from simdl.step.strategy import Strategy
from workloads.workload import Workload


def layer_problem(
    graph: LayerGraph,
    costs: Sequence[Sequence[NodeCost]],
    form: Strategy,
    workload: Workload,
    pricing: Pricing,
) -> LayerProblem:
    """The numbers of a per-layer choice.

    Args:
        graph: nodes and tensors.
        costs: of every split of every node.
        form: the strategy whose splits are to be chosen.
        workload: what is computed.
        pricing: what prices it.
    """
    layouts = sorted({layout for found in costs for cost in found for layout in (cost.source, cost.output)})
    place = {layout: index for index, layout in enumerate(layouts)}
    usable = usable_memory(pricing.stack, pricing.cluster.device)
    return LayerProblem(
        name=f"{workload.network.name} on {pricing.cluster.name}",
        items=tuple(
            Item(
                name=node.name,
                block=node.block,
                count=node.count,
                options=tuple(_option(cost, place, form, workload, pricing) for cost in found),
            )
            for node, found in zip(graph.nodes, costs, strict=True)
        ),
        tensors=tuple(_tensors(graph.edges, layouts, form, workload, pricing)),
        room=usable - context_bytes(form, pricing),
        overlap=pricing.stack.gradient_overlap,
    )


def _option(
    cost: NodeCost, place: Mapping[Layout, int], form: Strategy, workload: Workload, pricing: Pricing
) -> Option:
    stack, parameters = pricing.stack, cost.gradient.parameters
    passes = form.microbatches(workload.global_batch)
    reduce = sum_time(cost, form, pricing)
    update = update_time(parameters, workload, pricing) - update_time(0.0, workload, pricing)
    hosts = host_time(cost.forward, stack), host_time(cost.backward, stack)
    state = resident_bytes(parameters, form, workload, pricing)
    return Option(
        source=place[cost.source],
        output=place[cost.output],
        forward=_before(cost.forward.busy, cost.backward.busy, passes),
        backward=cost.backward.busy,
        reduce=reduce,
        extra=update + ((stack.contention or 0.0) * reduce if stack.gradient_overlap else 0.0),
        host=(_before(*hosts, passes), hosts[1]),
        nbytes=state / form.pp + cost.saved,  # as many microbatches are live as there are stages
        transient=cost.transient,
    )


def _before(forward: float, backward: float, microbatches: int) -> float:
    """What passes before the last backward pass."""
    return microbatches * forward + (microbatches - 1) * backward


def _tensors(
    edges: Sequence[Edge], layouts: Sequence[Layout], form: Strategy, workload: Workload, pricing: Pricing
) -> Iterator[Tensor]:
    """Every edge with the seconds of its layout changes, which those of one size share."""
    passes = form.microbatches(workload.global_batch)
    found: dict[int, tuple[Matrix, Matrix]] = {}
    for edge in edges:
        if edge.elements not in found:
            elements = float(edge.elements * form.micro_batch)
            found[edge.elements] = _changes(layouts, elements, passes, pricing)
        forward, back = found[edge.elements]
        yield Tensor(
            source=edge.source,
            target=edge.target,
            count=edge.count,
            forward=forward,
            backward=back,
            late=edge.late,
        )


def _changes(
    layouts: Sequence[Layout], elements: float, passes: int, pricing: Pricing
) -> tuple[Matrix, Matrix]:
    """[s] from every layout to every other: of what passes forward, and of the last gradient."""
    there: Matrix = tuple(tuple(reshard_time(a, b, elements, pricing) for b in layouts) for a in layouts)
    back: Matrix = tuple(zip(*there, strict=True))
    forward = tuple(
        tuple(_before(one, other, passes) for one, other in zip(*rows, strict=True))
        for rows in zip(there, back, strict=True)
    )
    return forward, back


def fixed_time(form: Strategy, workload: Workload, pricing: Pricing) -> float:
    """[s] of a step that no choice changes."""
    passes = 2 * form.microbatches(workload.global_batch)
    return host_overhead(workload.network, form, pricing.stack) + passes * pricing.stack.microbatch_overhead
