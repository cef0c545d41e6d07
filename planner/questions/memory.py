"""The question of memory savers: limits from all that is wanted to the least, and the answer by key."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from planner.memory_savers.choose import Chosen, choose_savers, least_memory
from planner.memory_savers.options import plain_of, rank_problems
from planner.memory_savers.pool import SaverPlan, literature_pool, possible_kinds
from planner.questions.question import Question
from planner.questions.strategy_file import strategy_json
from simdl.memory.needs import usable_memory
from simdl.step.simulate import price
from simdl.step.strategy import Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFront:
    """Step time against memory.

    Attributes:
        usable: [bytes] of a device that a rank can fill.
        limits: [bytes] of each point, falling.
        points: the fastest plan within each limit.
        kinds: ways to save memory that were allowed.
    """

    usable: float
    limits: tuple[float, ...]
    points: tuple[Chosen, ...]
    kinds: tuple[str, ...]


def memory_front(
    question: Question,
    strategy: Strategy,
    *,
    limits: Sequence[float] = (),
    count: int = 6,
    allowed: frozenset[str] | None = None,
) -> MemoryFront:
    """The fastest plan of a strategy at each limit.

    Args:
        question: network, cluster and stack.
        strategy: whose own savers are put aside.
        limits: [bytes] of a device; () for ``count`` of them, from all that is wanted down to the least.
        count: points of the front.
        allowed: ways to save memory; None for all that are possible.

    Raises:
        SimdlError: the strategy cannot be carried out, or a limit is below the least memory; says which.
        HardwareError: host memory is asked for and nothing is known of it.
    """
    workload = question.workload
    pricing = price(workload, question.cluster, stack=question.stack)
    plain = plain_of(strategy, workload, pricing)
    kinds = possible_kinds(plain, workload, pricing) if allowed is None else allowed
    usable = usable_memory(question.stack, question.cluster.device)
    pool = literature_pool(plain, workload, pricing, kinds)
    ranks = rank_problems(plain, workload, pricing, kinds)

    def chosen(limit: float) -> Chosen:
        return choose_savers(plain, workload, pricing, limit, allowed=kinds, pool=pool, ranks=ranks)

    if not limits:
        whole = chosen(float("inf")).unlimited.nbytes
        least = least_memory(plain, workload, pricing, allowed=kinds, pool=pool, ranks=ranks).nbytes
        limits = tuple(front_limits(whole, least, usable, count))
    return MemoryFront(
        usable=usable,
        limits=tuple(limits),
        points=tuple(map(chosen, limits)),
        kinds=tuple(sorted(kinds)),
    )


def front_limits(whole: float, least: float, usable: float, count: int) -> Iterator[float]:
    """Limits from the whole need to the least, what a device has among them if it lies between."""
    steps = (whole - (whole - least) * place / max(1, count - 1) for place in range(count))
    found = {max(least, limit) for limit in steps}  # rounding may put the last a byte below
    if least <= usable <= whole:
        found.add(usable)
    yield from sorted(found, reverse=True)


def runnable_plan(front: MemoryFront) -> SaverPlan | None:
    """The fastest plan that a device has room for; None where none fits."""
    fitting = (point.best for point in front.points if point.best.nbytes <= front.usable)
    return next(fitting, None)


def whole_batch(strategy: Strategy, question: Question) -> Strategy:
    """The strategy with all samples of a replica at once, if none said how many and no pipeline wants it."""
    if strategy.micro_batch > 1 or strategy.pp > 1:
        return strategy
    return replace(strategy, micro_batch=max(1, question.workload.global_batch // strategy.dp))


def memory_json(question: Question, front: MemoryFront) -> dict[str, Any]:
    """The answer of `simdl memory` by key, in base units."""
    return {
        "usable_memory": front.usable,
        "allowed": list(front.kinds),
        "points": [
            {
                "limit": limit,
                **_plan_json(point.best),
                "slower": point.best.step_time / point.unlimited.step_time - 1,
                "program": {
                    **_plan_json(point.program),
                    "program_time": point.program_time,
                    "gap": point.gap,
                    "optimal": point.optimal,
                },
                "literature": [_plan_json(plan) for plan in point.others],
            }
            for limit, point in zip(front.limits, front.points, strict=True)
        ],
        "unlimited": _plan_json(front.points[0].unlimited),
        "assumptions": list(question.assumptions),
    }


def _plan_json(plan: SaverPlan) -> dict[str, Any]:
    return {
        "method": plan.method,
        "step_time": plan.step_time,
        "peak_memory": plan.nbytes,
        "strategy": strategy_json(plan.strategy),
    }
