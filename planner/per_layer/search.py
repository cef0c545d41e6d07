"""Per-layer hybrid parallelism: the best split of every layer of a convolutional network.

The integer program of :mod:`planner.per_layer.program` picks one split per layer; its answer and the plainer
ones it started from are strategies like any other, which the simulator runs: as they are, with ZeRO, and
through a pipeline. Known results come out of it rather than being built in: fully connected layers by model
and convolutions by sample (Krizhevsky 2014), images by rows where there are fewer samples than devices
(Dryden et al. 2019), plain data parallelism where there is enough to do.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf

from hardware.cluster import Cluster
from planner.errors import InfeasibleError
from planner.per_layer.options import fixed_time, layer_problem
from planner.per_layer.problem import Choice as Picked
from planner.per_layer.problem import estimate_step
from planner.per_layer.program import first_answers, solve_layer_problem
from planner.per_layer.shares import LayerTime, layer_times
from simdl.errors import SimdlError
from simdl.kernels.pricing import Pricing
from simdl.memory.needs import memory_shortfalls
from simdl.report.step_report import StepReport
from simdl.splits.arrangement import Arrangement, named_splits
from simdl.splits.graph import LayerGraph, build_layer_graph
from simdl.splits.node_cost import NodeCost, node_costs
from simdl.splits.registry import Choice, format_choice
from simdl.step.costs.step_cost import StepCost
from simdl.step.cuts.automatic_cut import least_time, memory_need, step_cost
from simdl.step.lowering.folding import StepRun, run_step
from simdl.step.simulate import report
from simdl.step.strategy import Strategy, problems, refused
from workloads.workload import Workload

Splits = tuple[tuple[str, str], ...]
MANY = 60  # nodes of a graph beyond which fewer group sizes are tried
SMALL, QUICK = 40, 2000  # nodes, and variables of a program, up to which a pipeline is tried too
MARGIN = 0.005  # of a step that splitting layers must gain over data parallelism, which needs no new code
ACCUMULATED = (1, 2, 4, 8, 16)
"""Microbatches tried until a choice fits in memory."""
PIPELINED = (2, 4)
"""Pipeline ranks, and microbatches, of the pipelines tried."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerPlan:
    """Strategies with a split for every layer, simulated, and what is known of the best.

    Attributes:
        candidates: [s] that each takes at least, and its report, fastest first; all of them fit and have a
            layer that is not split by sample (without, they are strategies that divide all layers alike). As
            many as were wanted, none slower than was wanted.
        fitting: how many there are.
        tried: strategies that were looked at.
        best: report of the fastest, or of plain data parallelism where that is within :data:`MARGIN`.
        layers: what each layer of the best takes of the step.
        estimate: [s] of the integer program's objective for its answer.
        optimal: that answer is proven best.
        data_parallel: [s] simulated of plain data parallelism; None where it cannot run or does not fit.
        variables: of the integer program.
        wall_time: [s] the planner took.
    """

    candidates: tuple[tuple[float, StepReport], ...]
    fitting: int
    tried: int
    best: StepReport
    layers: tuple[LayerTime, ...]
    estimate: float
    optimal: bool
    data_parallel: float | None
    variables: int
    wall_time: float

    @property
    def splits(self) -> Mapping[str, str]:
        """How each layer is split, by ``block/layer``; layers that follow another are not listed."""
        return {layer.layer: layer.split for layer in self.layers}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Answer:
    """Splits for so many ranks and samples, and how they were found."""

    strategies: tuple[Strategy, ...]
    estimate: float
    optimal: bool
    variables: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Run:
    """A strategy that fits, timed."""

    step: StepCost
    timed: StepRun

    @property
    def strategy(self) -> Strategy:
        return self.step.strategy

    @property
    def step_time(self) -> float:
        return self.timed.step_time

    def report(self) -> StepReport:
        return report(self.step, self.timed.timeline)


def plan_layers(
    workload: Workload, pricing: Pricing, *, top: int | None = None, limit: float = inf
) -> LayerPlan:
    """The fastest per-layer plans on all devices of a cluster.

    Args:
        workload: images; a microbatch is divided over the sample groups of every layer.
        pricing: what prices it.
        top: plans wanted; None for all that fit.
        limit: [s] beyond which a plan is not wanted.

    Raises:
        SimdlError: the network has no per-layer splits (its samples are no images), or no split uses
            all devices.
        InfeasibleError: no choice fits in memory; names the limit and what is missing.
        SolverError: the solver gave up.
    """
    started = time.perf_counter()
    answer = _first_that_fits(workload, pricing)
    tried = dict.fromkeys([*answer.strategies, *_variants(answer, workload, pricing)])
    runs = [run for strategy in tried for run in _timed(strategy, workload, pricing)]
    runs.sort(key=lambda run: (run.step_time, memory_need(run.step)))
    plain = next((run for run in runs if is_data_parallel(run.strategy)), None)
    split = [run for run in runs if run.strategy.splits]
    if not runs:
        name = f"{workload.network.name} on {pricing.cluster.name}"
        raise SimdlError(f"{name}: no split of layers fits as it is simulated; expected more devices")
    best = (split or runs)[0]
    if plain is not None and (not split or plain.step_time <= best.step_time * (1 + MARGIN)):
        best = plain
    wanted = [run for run in split[:top] if run.step_time <= limit]
    told = {run: run.report() for run in dict.fromkeys((best, *wanted))}
    return LayerPlan(
        candidates=tuple((least_time(run.step), told[run]) for run in wanted),
        fitting=len(split),
        tried=len(tried),
        best=told[best],
        layers=layer_times(best.strategy, workload, pricing),
        estimate=answer.estimate,
        optimal=answer.optimal,
        data_parallel=None if plain is None else plain.step_time,
        variables=answer.variables,
        wall_time=time.perf_counter() - started,
    )


def is_data_parallel(strategy: Strategy) -> bool:
    """Whether every layer is split by sample alone, which needs no names, and nothing else is done."""
    return not strategy.splits and strategy.zero == 0 and strategy.pp == 1


def _first_that_fits(workload: Workload, pricing: Pricing) -> _Answer:
    """Splits of the whole batch, or of as many microbatches as it takes to fit."""
    refused: InfeasibleError | None = None
    for count in ACCUMULATED:
        if workload.global_batch % count:
            break
        whole = Strategy(split_degree=pricing.cluster.devices, micro_batch=workload.global_batch // count)
        try:
            return _solve(whole, workload, pricing)
        except InfeasibleError as error:
            refused = refused or error
        except SimdlError:
            if refused is None:
                raise
            break
    raise refused or SimdlError(f"global batch {workload.global_batch}: expected at least one sample")


def _solve(form: Strategy, workload: Workload, pricing: Pricing) -> _Answer:
    """The best splits for a strategy without any, and the plainer ones that it started from."""
    graph = build_layer_graph(workload.network, form.micro_batch)
    sizes = group_sizes(pricing.cluster, form.split_degree, form.micro_batch, len(graph.nodes))
    costs = [node_costs(node, pricing, form.split_degree, sizes) for node in graph.nodes]
    problem = layer_problem(graph, costs, form, workload, pricing)
    solution = solve_layer_problem(problem)
    chosen = dict.fromkeys((solution.choice, *first_answers(problem)))
    return _Answer(
        strategies=tuple(
            replace(form, splits=_splits(workload, graph, _picked(costs, choice), form)) for choice in chosen
        ),
        estimate=estimate_step(problem, solution.choice) + fixed_time(form, workload, pricing),
        optimal=solution.optimal,
        variables=solution.variables,
    )


def _picked(costs: Sequence[Sequence[NodeCost]], choice: Picked) -> list[Choice]:
    return [options[index].choice for options, index in zip(costs, choice, strict=True)]


def _splits(workload: Workload, graph: LayerGraph, choices: Sequence[Choice], form: Strategy) -> Splits:
    """The splits of all nodes, those left out that a layer takes unnamed."""
    named = ((node.name, format_choice(choice)) for node, choice in zip(graph.nodes, choices, strict=True))
    every = Arrangement(ranks=form.split_degree, samples=form.micro_batch, splits=tuple(named))
    return named_splits(workload.network, every)


def _variants(answer: _Answer, workload: Workload, pricing: Pricing) -> Iterator[Strategy]:
    """The best splits with sharded state and in more microbatches, and splits of the stages of a pipeline."""
    best = answer.strategies[0]
    forms = [best]
    if best.micro_batch % 2 == 0:
        forms.append(replace(best, micro_batch=best.micro_batch // 2))
        yield forms[1]
    if pricing.stack.zero >= 1:
        yield from (replace(form, zero=1) for form in forms)
    ranks, microbatches = PIPELINED
    devices, batch = pricing.cluster.devices, workload.global_batch
    nodes = len(build_layer_graph(workload.network, best.micro_batch).nodes)
    divides = devices % ranks == 0 and batch % microbatches == 0 and workload.network.depth >= ranks
    if not divides or nodes > SMALL or answer.variables > QUICK:
        return
    staged = Strategy(pp=ranks, split_degree=devices // ranks, micro_batch=batch // microbatches)
    if staged.split_degree > 1:
        with suppress(SimdlError):
            yield _solve(staged, workload, pricing).strategies[0]


def _timed(strategy: Strategy, workload: Workload, pricing: Pricing) -> Iterator[_Run]:
    """The strategy with its step; nothing where it cannot run or does not fit."""
    if any(problems(strategy, workload, pricing.cluster)) or any(refused(strategy, pricing.stack)):
        return
    step = step_cost(workload, strategy, pricing)
    if not any(memory_shortfalls(step, pricing.cluster.device)):
        yield _Run(step=step, timed=run_step(step))


def group_sizes(cluster: Cluster, ranks: int, samples: int, nodes: int = 0) -> tuple[int, ...]:
    """Sizes of the groups that share samples: 1, 2, 4, a node, all ranks, and the least the samples allow.

    Only divisors of the number of ranks are taken. Where every layer must be split and there are many,
    little prunes the program, and 2 and 4 are left out.

    Args:
        cluster: the machine.
        ranks: that share the samples.
        samples: of a microbatch.
        nodes: of the layer graph.
    """
    least = next(size for size in range(1, ranks + 1) if _divides(size, ranks, samples))
    between = {2, 4} if least == 1 or nodes <= MANY else set()
    wanted = {1, *between, cluster.node.devices, ranks, least}
    return tuple(size for size in sorted(wanted) if ranks % size == 0)


def _divides(size: int, ranks: int, samples: int) -> bool:
    return ranks % size == 0 and samples % (ranks // size) == 0
