"""Plans with compressed gradients: the best plans, and plain data parallelism, with each method asked for.

The space of strategies and its certificate do not know compression, so these candidates are simulated and
ranked beside the others, and the answer says over what it is certified.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from planner.search.order import rank_key
from planner.search.plan import Plan, PlanResult
from simdl.compression.method import EXAMPLES, parse_compression
from simdl.divisors import divisors
from simdl.errors import SimdlError
from simdl.kernels.pricing import Pricing
from simdl.memory.needs import memory_shortfalls
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy, problems
from workloads.workload import Workload

AUTO = "auto"


def methods_of(texts: Sequence[str]) -> tuple[str, ...]:
    """The methods that options name; ``auto`` stands for one of each kind.

    Raises:
        SimdlError: a text is no method.
    """
    found = [each for text in texts for each in (EXAMPLES if text == AUTO else (text,))]
    for text in found:
        parse_compression(text)
    return tuple(dict.fromkeys(found))


def with_compression(
    result: PlanResult, methods: Sequence[str], workload: Workload, *, pricing: Pricing, top: int
) -> PlanResult:
    """The plans with those of compressed gradients among them, best first.

    Raises:
        SimdlError: the cluster has nodes of several types.
    """
    if pricing.cluster.more:
        raise SimdlError(f"--compression: found {pricing.cluster.name}; expected nodes of one type")
    tried = list(_plans(result, methods, workload, pricing))
    plans = sorted((*result.plans, *tried), key=lambda plan: rank_key(plan.report))
    return replace(
        result,
        plans=tuple(plans[:top]),
        candidates=result.candidates + len(tried),
        feasible=result.feasible + len(tried),
        simulated=result.simulated + len(tried),
        certified_over=f"{result.certified_over}; {len(tried)} plans with compressed gradients beside them",
    )


def _plans(
    result: PlanResult, methods: Sequence[str], workload: Workload, pricing: Pricing
) -> Iterator[Plan]:
    """Simulated plans with compressed gradients that can be carried out and fit."""
    bases = [replace(plan.report.strategy, zero=0, shard_degree=0) for plan in result.plans]
    for method in methods:
        plain = largest_batch(Strategy(dp=pricing.cluster.devices, compression=method), workload, pricing)
        changed = [replace(base, compression=method) for base in bases]
        for strategy in dict.fromkeys([*changed, *([plain] if plain else [])]):
            if any(problems(strategy, workload, pricing.cluster)) or strategy.replicas == 1:
                continue
            report = simulate(
                workload, pricing.cluster, strategy, stack=pricing.stack, cost_model=pricing.cost_model
            ).report
            if report.feasible:
                yield Plan(bound=0.0, report=report)


def largest_batch(strategy: Strategy, workload: Workload, pricing: Pricing) -> Strategy | None:
    """The strategy with the largest micro-batch that fits; None if none does or the batch does not divide."""
    samples, rest = divmod(workload.global_batch, strategy.dp)
    for size in reversed(divisors(samples)) if samples and not rest else ():
        larger = replace(strategy, micro_batch=size)
        step = step_cost(workload, larger, pricing)
        if not any(memory_shortfalls(step, pricing.cluster.device)):
            return larger
    return None
