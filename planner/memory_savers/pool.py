"""Plans of memory savers measured by the simulator, and those of the literature among them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from planner.memory_savers.literature import aimed_plans, literature_plans
from planner.memory_savers.options import KINDS, cut_of, plain_of
from simdl.kernels.pricing import Pricing
from simdl.memory.host_needs import host_shortfalls
from simdl.memory.savers import Row, Segment, format_row
from simdl.step.costs.step_cost import StepCost, cut_step_cost
from simdl.step.cuts.automatic_cut import memory_need
from simdl.step.lowering.folding import run_step
from simdl.step.strategy import Strategy, problems
from workloads.workload import Workload

NEAR = 1.2
"""Of a limit, within which a plan of the literature lies where one that aims at the limit may fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaverPlan:
    """One plan of memory savers.

    Attributes:
        method: ``"program"``, or of :mod:`planner.memory_savers.literature`.
        strategy: that carries it.
        step_time: [s] simulated.
        nbytes: [bytes] of the fullest rank by the ledger.
    """

    method: str
    strategy: Strategy
    step_time: float
    nbytes: float


def simulated(method: str, strategy: Strategy, workload: Workload, pricing: Pricing) -> SaverPlan:
    """The plan of a strategy: its bytes by the ledger, its seconds by a run."""
    step = saved_step(strategy, workload, pricing)
    return SaverPlan(
        method=method, strategy=strategy, step_time=run_step(step).step_time, nbytes=memory_need(step)
    )


def saved_step(strategy: Strategy, workload: Workload, pricing: Pricing) -> StepCost:
    """What the step of a strategy with savers costs."""
    return cut_step_cost(workload, strategy, pricing, cut_of(strategy, workload))


def possible_kinds(plain: Strategy, workload: Workload, pricing: Pricing) -> frozenset[str]:
    """Ways to save memory that the cluster, the schedule and the optimizer take."""
    tried = {
        "recompute": "",
        "offload": "*x offload",
        "optimizer": "*x optimizer",
        "parameters": "*x optimizer+parameters",
    }
    return frozenset(
        kind
        for kind in KINDS
        if not any(problems(replace(plain, savers=tried[kind]), workload, pricing.cluster))
    )


def literature_pool(
    strategy: Strategy, workload: Workload, pricing: Pricing, allowed: frozenset[str] | None = None
) -> tuple[SaverPlan, ...]:
    """Plans of the literature that can be carried out, simulated; of Chen's segments those that keep least.

    All of Chen's compute everything once more, so no other of them is faster.
    """
    plain = plain_of(strategy, workload, pricing)
    kinds = possible_kinds(plain, workload, pricing) if allowed is None else allowed
    found: dict[str, tuple[str, StepCost]] = {}
    for method, row in literature_plans(saved_step(plain, workload, pricing), host="offload" in kinds):
        savers = format_row(row)
        again = any(isinstance(item, Segment) or item.mode != "keep" for item in row)
        asked = replace(plain, savers=savers)
        if savers in found or (again and "recompute" not in kinds):
            continue
        if any(problems(asked, workload, pricing.cluster)):
            continue
        step = saved_step(asked, workload, pricing)
        if not any(host_shortfalls(step)):
            found[savers] = method, step
    segments = [step for method, step in found.values() if method == "chen"]
    least = min(map(memory_need, segments), default=0.0)
    return tuple(
        simulated(method, step.strategy, workload, pricing)
        for method, step in found.values()
        if method != "chen" or memory_need(step) == least
    )


def aimed_pool(
    plain: Strategy, workload: Workload, pricing: Pricing, limit: float, pool: Sequence[SaverPlan]
) -> Iterator[SaverPlan]:
    """Plans of the dynamic programmes that fit just within the limit, simulated.

    Args:
        plain: strategy without savers.
        workload: what is computed.
        pricing: what prices it.
        limit: [bytes] of each device.
        pool: of :func:`literature_pool`, of which some fit, or nearly so, where one of these may.
    """

    def fits(row: Row) -> bool:
        asked = replace(plain, savers=format_row(row))
        if any(problems(asked, workload, pricing.cluster)):
            return False
        step = saved_step(asked, workload, pricing)
        return memory_need(step) <= limit and not any(host_shortfalls(step))

    near = {plan.method for plan in pool if plan.nbytes <= limit * NEAR}
    again, host = bool(near & {"chen", "rotor"}), bool(near & {"vdnn", "offload"})
    for method, row in aimed_plans(saved_step(plain, workload, pricing), fits, again=again, host=host):
        yield simulated(method, replace(plain, savers=format_row(row)), workload, pricing)
