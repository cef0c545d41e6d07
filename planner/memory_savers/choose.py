"""The memory savers of a strategy: the integer programme's plan, checked against those of the literature.

Every plan is measured by the simulator: whether it fits by its ledger, and how long its step takes by running
it. The programme's room is tightened until the ledger agrees, and the fastest plan of all is the answer, so
that it is never worse than any of the literature.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from hardware.units import format_quantity
from planner.errors import InfeasibleError, SolverError
from planner.memory_savers.arrange import chosen_items
from planner.memory_savers.options import RankProblem, plain_of, rank_problems
from planner.memory_savers.pool import (
    SaverPlan,
    aimed_pool,
    literature_pool,
    possible_kinds,
    saved_step,
    simulated,
)
from planner.memory_savers.program import GAP
from planner.memory_savers.rank_choice import RankChoice, keep_all, plain_seconds, with_host, without_host
from planner.memory_savers.relief import RELIEFS, Relief, one_by_one
from planner.memory_savers.solve import memory_floor, solve_rank
from simdl.errors import SimdlError
from simdl.kernels.pricing import Pricing
from simdl.memory.host_needs import host_shortfalls
from simdl.memory.needs import memory_by_rank
from simdl.memory.savers import Row, format_row, savers_row
from simdl.step.cuts.automatic_cut import memory_need
from simdl.step.lowering.folding import run_step
from simdl.step.strategy import Strategy, problems
from workloads.workload import Workload

ROUNDS = 12
"""Times that the room is tightened until the ledger agrees."""
SPARE = 1e-4
"""Relative, by which it is tightened beyond what is missing."""
MIB = 2**20
GB = 1e9
TINY = 1e-6
"""Relative, by which the least memory of the programme is raised to find the fastest choice in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The fastest plan within a limit.

    Attributes:
        best: the answer.
        unlimited: the step without any saver, whether it fits or not.
        program: the integer programme's own plan.
        program_time: [s] of its step as the programme counts it.
        optimal: proven to be the least of the programme.
        others: plans of the literature that fit, fastest first.
    """

    best: SaverPlan
    unlimited: SaverPlan
    program: SaverPlan
    program_time: float
    optimal: bool
    others: tuple[SaverPlan, ...]

    @property
    def gap(self) -> float:
        """Relative distance of the simulated step of the programme's plan from what the programme says."""
        return self.program.step_time / self.program_time - 1


def choose_savers(
    strategy: Strategy,
    workload: Workload,
    pricing: Pricing,
    limit: float,
    *,
    allowed: frozenset[str] | None = None,
    pool: Sequence[SaverPlan] | None = None,
    ranks: Sequence[RankProblem] | None = None,
) -> Chosen:
    """The fastest plan of a strategy whose ranks need at most ``limit`` [bytes] each.

    Args:
        strategy: whose own savers are put aside.
        workload: what is computed.
        pricing: what prices it.
        limit: [bytes] of each device.
        allowed: of ``KINDS``; None for all that the cluster, the schedule and the optimizer take.
        pool: plans of :func:`literature_pool` to compare with; None to make them, () for none.
        ranks: what each pipeline rank has to choose; None to build it.

    Raises:
        InfeasibleError: no plan needs so little; says the least there is.
        HardwareError: host memory is asked for and nothing is known of it.
        SimdlError: the strategy cannot be carried out.
        SolverError: the solver gave up.
    """
    plain = plain_of(strategy, workload, pricing)
    if reasons := list(problems(plain, workload, pricing.cluster)):
        raise SimdlError("; ".join(reasons))
    kinds = possible_kinds(plain, workload, pricing) if allowed is None else allowed
    unlimited = simulated("none", plain, workload, pricing)
    if unlimited.nbytes <= limit:
        return Chosen(
            best=unlimited,
            unlimited=unlimited,
            program=unlimited,
            program_time=unlimited.step_time,
            optimal=True,
            others=(),
        )
    made = literature_pool(plain, workload, pricing, kinds) if pool is None else pool
    if made:
        made = (*made, *aimed_pool(plain, workload, pricing, limit, made))
    others = sorted((plan for plan in made if plan.nbytes <= limit), key=lambda plan: plan.step_time)
    chosen_among = rank_problems(plain, workload, pricing, kinds) if ranks is None else ranks
    program, added, optimal = _programme(plain, workload, pricing, limit, ranks=chosen_among, pool=made)
    program_time = program.step_time if added is None else unlimited.step_time + added
    relaxed = [_relieved(plan, workload, pricing, limit) for plan in (program, *others[:1])]
    return Chosen(
        best=min((*relaxed, *others), key=lambda plan: (plan.step_time, plan.nbytes)),
        unlimited=unlimited,
        program=program,
        program_time=program_time,
        optimal=optimal,
        others=tuple(others),
    )


def _relieved(
    plan: SaverPlan, workload: Workload, pricing: Pricing, limit: float, ways: Sequence[Relief] = RELIEFS
) -> SaverPlan:
    """The plan without savers, and without segments, that its limit does not ask for."""

    def measure(row: Row) -> float | None:
        asked = replace(plan.strategy, savers=format_row(row))
        if any(problems(asked, workload, pricing.cluster)):
            return None
        step = saved_step(asked, workload, pricing)
        return None if memory_need(step) > limit or any(host_shortfalls(step)) else run_step(step).step_time

    row = found = savers_row(plan.strategy.savers, workload.network.depth)
    for way in ways:
        found = way(found, plan.step_time, measure)
    if found == row:
        return plan
    return simulated(plan.method, replace(plan.strategy, savers=format_row(found)), workload, pricing)


def fastest_savers(
    strategy: Strategy,
    workload: Workload,
    pricing: Pricing,
    limit: float,
    *,
    allowed: frozenset[str] | None,
    gap: float = GAP,
) -> SaverPlan:
    """The plan of :func:`choose_savers` without others to compare it with.

    ``gap`` is the relative distance from the programme's optimum that counts as none.

    Raises:
        InfeasibleError, HardwareError, SimdlError, SolverError: as :func:`choose_savers`.
    """
    plain = plain_of(strategy, workload, pricing)
    if reasons := list(problems(plain, workload, pricing.cluster)):
        raise SimdlError("; ".join(reasons))
    kinds = possible_kinds(plain, workload, pricing) if allowed is None else allowed
    if memory_need(saved_step(plain, workload, pricing)) <= limit:
        return simulated("none", plain, workload, pricing)
    ranks = rank_problems(plain, workload, pricing, kinds)
    floor = max(map(memory_floor, ranks))
    if floor > limit:  # proven before whole numbers of blocks are searched for
        raise InfeasibleError("memory savers", {"memory of a device [GB]": (floor - limit) / GB})
    plan, _, _ = _programme(plain, workload, pricing, limit, ranks=ranks, pool=(), gap=gap)
    return _relieved(plan, workload, pricing, limit, (one_by_one,))


def _programme(
    plain: Strategy,
    workload: Workload,
    pricing: Pricing,
    limit: float,
    *,
    ranks: Sequence[RankProblem],
    pool: Sequence[SaverPlan],
    gap: float = GAP,
) -> tuple[SaverPlan, float | None, bool]:
    """The programme's plan, the seconds it adds by its own count, and whether that is proven least.

    Where no room is found in which the programme agrees with the ledger, the plan of least memory: it adds
    None.
    """
    found = list(_both_ways(plain, ranks, workload, pricing, limit, gap=gap))
    if not found:
        smallest = [solve_rank(problem, 0.0, least_memory=True) for problem in ranks]
        least = memory_need(saved_step(_planned(plain, ranks, smallest), workload, pricing))
        if min((least, *(plan.nbytes for plan in pool))) > limit:
            raise SaversInfeasibleError(limit, min((least, *(plan.nbytes for plan in pool))))
        fastest = [
            solve_rank(problem, choice.nbytes * (1 + TINY))
            for problem, choice in zip(ranks, smallest, strict=True)
        ]
        if memory_need(saved_step(_planned(plain, ranks, fastest), workload, pricing)) > limit:
            program = simulated("program", _planned(plain, ranks, smallest), workload, pricing)
            return min((program, *pool), key=lambda plan: (plan.nbytes, plan.step_time)), None, False
        found = [fastest]
    solved = [(simulated("program", _planned(plain, ranks, each), workload, pricing), each) for each in found]
    plan, choices = min(solved, key=lambda each: each[0].step_time)
    added = [choice.seconds - plain_seconds(rank) for rank, choice in zip(ranks, choices, strict=True)]
    return plan, max(added), all(choice.optimal for choice in (*choices, *found[-1]))


def _both_ways(
    plain: Strategy,
    ranks: Sequence[RankProblem],
    workload: Workload,
    pricing: Pricing,
    limit: float,
    *,
    gap: float,
) -> Iterator[list[RankChoice]]:
    """Choices of recomputation alone, and of all that is allowed where that is faster by its own count."""
    alone = [*map(without_host, ranks)]
    hosts = any(problem != other for problem, other in zip(ranks, alone, strict=True))
    found = _fitting(plain, alone, workload, pricing, limit, gap=gap)
    known = None if found is None else [*map(with_host, ranks, found)]
    if known is not None:
        yield known
    if hosts:
        hosted = _fitting(plain, ranks, workload, pricing, limit, gap=gap, known=known)
        if hosted is not None and hosted != known:
            yield hosted


def least_memory(
    strategy: Strategy,
    workload: Workload,
    pricing: Pricing,
    *,
    allowed: frozenset[str] | None = None,
    pool: Sequence[SaverPlan] = (),
    ranks: Sequence[RankProblem] | None = None,
) -> SaverPlan:
    """The plan that needs least of the fullest device, however long its step takes.

    Raises:
        HardwareError, SimdlError, SolverError: as :func:`choose_savers`.
    """
    plain = plain_of(strategy, workload, pricing)
    kinds = possible_kinds(plain, workload, pricing) if allowed is None else allowed
    ranks = rank_problems(plain, workload, pricing, kinds) if ranks is None else ranks
    choices = [solve_rank(problem, 0.0, least_memory=True) for problem in ranks]
    found = simulated("program", _planned(plain, ranks, choices), workload, pricing)
    return min((found, *pool), key=lambda plan: (plan.nbytes, plan.step_time))


def _fitting(
    plain: Strategy,
    ranks: Sequence[RankProblem],
    workload: Workload,
    pricing: Pricing,
    limit: float,
    *,
    gap: float,
    known: Sequence[RankChoice] | None = None,
) -> list[RankChoice] | None:
    """The programme's choices, room tightened until the ledger finds none beyond the limit; None for none.

    Args:
        plain: strategy without savers.
        ranks: what each has to choose.
        workload: what is computed.
        pricing: what prices it.
        limit: [bytes] of each device.
        gap: relative distance from the optimum that counts as none.
        known: choices that fit, for ranks where nothing is faster.
    """
    room = [limit] * len(ranks)
    best: Sequence[RankChoice | None] = known or [None] * len(ranks)
    needs = [sum(parts.values()) for parts in memory_by_rank(saved_step(plain, workload, pricing))]
    try:
        choices = [
            _faster(problem, limit, best[rank], gap) if need > limit else keep_all(problem)
            for rank, (problem, need) in enumerate(zip(ranks, needs, strict=True))
        ]
        for _ in range(ROUNDS):
            step = saved_step(_planned(plain, ranks, choices), workload, pricing)
            needs = [sum(parts.values()) for parts in memory_by_rank(step)]
            short = [rank for rank, need in enumerate(needs) if need > limit]
            if not short:
                return None if any(host_shortfalls(step)) else choices
            for rank in short:
                room[rank] -= (needs[rank] - limit) * (1 + SPARE) + SPARE * limit
                choices[rank] = _faster(ranks[rank], room[rank], best[rank], gap)
    except (InfeasibleError, SolverError):
        pass
    return None


def _faster(problem: RankProblem, room: float, known: RankChoice | None, gap: float) -> RankChoice:
    """The fastest choice within the room [bytes], what is known where none is faster.

    Raises:
        InfeasibleError: none fits, and none is known.
    """
    if known is None:
        return solve_rank(problem, room, explain=False, gap=gap)
    try:
        return solve_rank(problem, room, most=known.seconds, explain=False, gap=gap)
    except InfeasibleError:
        return known
    except SolverError:  # long programmes are given up early
        return replace(known, optimal=False)


class SaversInfeasibleError(SimdlError):
    """No plan needs as little memory as the limit; ``least`` [bytes] is the least that one does."""

    def __init__(self, limit: float, least: float) -> None:
        self.least = least
        super().__init__(
            f"memory limit: found {format_quantity(limit, 'bytes')}; expected at least "
            f"{ceil(least / MIB)} MiB, what the smallest plan of savers needs"
        )


def _planned(plain: Strategy, ranks: Sequence[RankProblem], choices: Sequence[RankChoice]) -> Strategy:
    parts = [
        part for problem, choice in zip(ranks, choices, strict=True) for part in chosen_items(problem, choice)
    ]
    row = tuple(item for _, items in sorted(parts, key=lambda part: part[0]) for item in items)
    return replace(plain, savers=format_row(row))
