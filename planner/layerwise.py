"""Per-layer hybrid parallelism: the best split of every layer of a convolutional network.

The integer program of :mod:`planner.layer_program` picks one split per layer on all devices; the simulator
runs its answer next to the plainer ones it started from and keeps the fastest. Known results come out of it
rather than being built in: fully connected layers by model and convolutions by sample (Krizhevsky 2014),
images by rows where there are fewer samples than devices (Dryden et al. 2019), plain data parallelism where
there is enough to do.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hardware.cluster import Cluster
from planner.layer_problem import Choice, Item, LayerProblem, Option, Tensor, estimate_step
from planner.layer_program import first_answers, solve_layer_problem
from planner.layer_times import LayerTime, layer_times
from simdl.cost_model import CostModel
from simdl.engine import run
from simdl.layer_cost import NodeCost, node_costs, reshard_time
from simdl.layer_graph import Edge, LayerGraph, build_layer_graph
from simdl.layer_lowering import lower_layers
from simdl.layer_splits.layout import Layout
from simdl.layer_step import PLAIN, LayerStep, layer_memory
from simdl.memory import state_bytes, usable_memory
from simdl.pricing import Pricing
from simdl.simulate import price
from simdl.stack import Stack
from simdl.step_cost import optimizer_time
from simdl.timeline import Timeline
from simdl.timeline_metrics import breakdown
from workloads.workload import Workload

MANY = 60  # nodes of a graph beyond which fewer group sizes are tried
MARGIN = 0.005  # of a step that splitting layers must gain over data parallelism, which needs no new code


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerPlan:
    """A split for every layer, with what the simulator says of it.

    Attributes:
        splits: by ``block/layer``; layers that follow another are not listed.
        layers: what each of them takes of the step.
        step_time: [s] simulated.
        estimate: [s] of the integer program's objective for the same choice.
        samples_per_s: throughput.
        breakdown: [s] by cause.
        memory: [bytes] by part on every device.
        optimal: the integer program's answer is proven best.
        data_parallel: [s] simulated of plain data parallelism; None where it cannot run or does not fit.
        variables: of the integer program.
        wall_time: [s] the planner took.
    """

    splits: Mapping[str, str]
    layers: tuple[LayerTime, ...]
    step_time: float
    estimate: float
    samples_per_s: float
    breakdown: Mapping[str, float]
    memory: Mapping[str, float]
    optimal: bool
    data_parallel: float | None
    variables: int
    wall_time: float


def plan_layers(
    workload: Workload, cluster: Cluster, *, stack: Stack, cost_model: CostModel | None = None
) -> LayerPlan:
    """The fastest per-layer plan on all devices of a cluster.

    Args:
        workload: images; the global batch is divided over the sample groups of every layer.
        cluster: on what.
        stack: the software it runs on.
        cost_model: seconds per kernel; the device's own by default.

    Raises:
        SimdlError: the network has no per-layer splits (its samples are no images), or no split uses
            all devices.
        InfeasibleError: no choice fits in memory; names the limit and what is missing.
        SolverError: the solver gave up.
    """
    started = time.perf_counter()
    pricing = price(workload, cluster, stack=stack, cost_model=cost_model)
    graph = build_layer_graph(workload)
    costs = _costs(graph, pricing, workload)
    problem = layer_problem(graph, costs, workload, pricing)
    solution = solve_layer_problem(problem)
    runs = {
        choice: _simulated(graph, costs, choice, workload, pricing)
        for choice in dict.fromkeys((solution.choice, *first_answers(problem)))
    }
    best = _simplest(runs)
    step, timeline = runs[best]
    plain = [ran.step_time for other, ran in runs.values() if is_data_parallel(other)]
    layers = layer_times(step)
    return LayerPlan(
        splits={layer.layer: layer.split for layer in layers},
        layers=layers,
        step_time=timeline.step_time,
        estimate=estimate_step(problem, best) + fixed_time(pricing),
        samples_per_s=workload.global_batch / timeline.step_time,
        breakdown=breakdown(timeline, 0),
        memory=layer_memory(step),
        optimal=solution.optimal,
        data_parallel=min(plain, default=None),
        variables=solution.variables,
        wall_time=time.perf_counter() - started,
    )


def _simplest(runs: Mapping[Choice, tuple[LayerStep, Timeline]]) -> Choice:
    """The fastest choice, or plain data parallelism if that comes within the margin."""
    best = min(runs, key=lambda choice: runs[choice][1].step_time)
    limit = runs[best][1].step_time * (1 + MARGIN)
    plain = (c for c, (step, ran) in runs.items() if is_data_parallel(step) and ran.step_time <= limit)
    return next(plain, best)


def fixed_time(pricing: Pricing) -> float:
    """[s] of a step that no choice changes."""
    return pricing.stack.step_overhead + 2 * pricing.stack.microbatch_overhead


def is_data_parallel(step: LayerStep) -> bool:
    """Whether every layer is split by sample alone."""
    return all(cost.choice.split == "sample" for cost in step.costs)


def group_sizes(cluster: Cluster, batch: int, nodes: int = 0) -> tuple[int, ...]:
    """Sizes of the groups that share samples: 1, 2, 4, a node, all devices, and the least the batch allows.

    Only divisors of the number of devices are taken. Where every layer must be split and there are many,
    little prunes the program, and 2 and 4 are left out.

    Args:
        cluster: the machine.
        batch: samples of a step.
        nodes: of the layer graph.
    """
    devices = cluster.devices
    least = next(size for size in range(1, devices + 1) if _divides(size, devices, batch))
    between = {2, 4} if least == 1 or nodes <= MANY else set()
    wanted = {1, *between, cluster.node.devices, devices, least}
    return tuple(size for size in sorted(wanted) if devices % size == 0)


def _divides(size: int, devices: int, batch: int) -> bool:
    return devices % size == 0 and batch % (devices // size) == 0


def _costs(graph: LayerGraph, pricing: Pricing, workload: Workload) -> list[tuple[NodeCost, ...]]:
    sizes = group_sizes(pricing.cluster, workload.global_batch, len(graph.nodes))
    return [node_costs(node, pricing, sizes) for node in graph.nodes]


def _simulated(
    graph: LayerGraph,
    costs: Sequence[Sequence[NodeCost]],
    choice: Choice,
    workload: Workload,
    pricing: Pricing,
) -> tuple[LayerStep, Timeline]:
    chosen = tuple(options[index] for options, index in zip(costs, choice, strict=True))
    step = LayerStep(graph=graph, costs=chosen, workload=workload, pricing=pricing)
    return step, run(lower_layers(step))


def layer_problem(
    graph: LayerGraph, costs: Sequence[Sequence[NodeCost]], workload: Workload, pricing: Pricing
) -> LayerProblem:
    """The numbers of a per-layer choice."""
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
                options=tuple(_option(cost, place, workload, pricing) for cost in found),
            )
            for node, found in zip(graph.nodes, costs, strict=True)
        ),
        tensors=tuple(_tensor(edge, layouts, workload, pricing) for edge in graph.edges),
        room=usable - pricing.stack.memory_context,
        overlap=pricing.stack.gradient_overlap,
    )


def _option(cost: NodeCost, place: Mapping[Layout, int], workload: Workload, pricing: Pricing) -> Option:
    held = state_bytes(float(cost.parameters), PLAIN, workload, pricing)
    contention = pricing.stack.contention if pricing.stack.gradient_overlap else 0.0
    latency = optimizer_time(0.0, workload, PLAIN, pricing)
    update = optimizer_time(float(cost.parameters), workload, PLAIN, pricing) - latency
    return Option(
        source=place[cost.source],
        output=place[cost.output],
        forward=cost.forward_time,
        backward=cost.backward_time,
        reduce=cost.reduce,
        extra=update + contention * cost.reduce,
        host=cost.host,
        nbytes=sum(held.values()) + cost.saved,
        transient=cost.transient,
    )


def _tensor(edge: Edge, layouts: Sequence[Layout], workload: Workload, pricing: Pricing) -> Tensor:
    elements = float(edge.elements * workload.global_batch)
    forward = tuple(tuple(reshard_time(a, b, elements, pricing) for b in layouts) for a in layouts)
    return Tensor(
        source=edge.source,
        target=edge.target,
        count=edge.count,
        forward=forward,
        backward=tuple(zip(*forward, strict=True)),
        late=edge.late,
    )
