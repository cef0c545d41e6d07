"""Sizes: several clusters, and numbers of nodes of each, planned and compared by the criteria of a question.

Numbers of nodes are the halvings of the largest. Where the smallest is asked for, the gap between the last
that fails and the first that does is bisected, over those numbers whose devices a batch, a pipeline and
tensor parallelism could share; sizes that would be late at the peak rate are not planned at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

from hardware.cluster import Cluster
from planner.console.format import format_duration
from planner.money.criteria import COST, ENERGY, REGRET, SIZED, Criteria
from planner.money.outcome import Outcome, find_outcome
from planner.money.pareto import pareto_front
from planner.questions.question import Question, assumed_batch, batch_was_assumed
from planner.scaling.curves import node_counts
from planner.search.plan import Plan, PlanResult
from planner.search.regret import by_regret
from simdl.errors import SimdlError

Find = Callable[[Question, int], PlanResult]
"""Plans a question; the second argument is how many plans are wanted."""
TRIES = 4  # sizes that bisection passed over
WIDE = 5  # plans of a size among which an objective other than time chooses


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Size:
    """One cluster of a number of nodes.

    Attributes:
        question: at this size.
        plan: the best under the objective; None where nothing fits or it was not planned.
        outcome: of that plan.
        late: whether a deadline is missed.
        reason: why there is no plan, or that it is late; empty if neither.
    """

    question: Question
    plan: Plan | None = None
    outcome: Outcome | None = None
    late: bool = False
    reason: str = ""

    @property
    def cluster(self) -> Cluster:
        """The cluster of this size."""
        return self.question.cluster

    @property
    def does(self) -> bool:
        """Whether it holds the model and is not late."""
        return self.plan is not None and not self.late


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Sizes side by side.

    Attributes:
        sizes: cluster by cluster, fewest nodes first.
        chosen: the best under the criteria; None where none does.
        fronts: indices into ``sizes`` of the Pareto fronts of time and devices, and of time and cost.
    """

    sizes: tuple[Size, ...]
    chosen: Size | None
    fronts: dict[str, tuple[int, ...]]


def compare_sizes(questions: Sequence[Question], criteria: Criteria, find: Find) -> Comparison:
    """Plan every size that is worth it, and choose.

    Args:
        questions: one for each cluster, at its largest size.
        criteria: what sizes are judged by.
        find: plans one size.

    Raises:
        SimdlError: no cluster is as small as was asked for, or a mixed one would have to be.
    """
    limits = [_limit(question, criteria) for question in questions]
    if not any(limits):
        asked = criteria.asked.max_devices
        least = min(question.cluster.node.devices for question in questions)
        raise SimdlError(f"--max-devices: found {asked}; expected at least {least}, the devices of one node")
    sizes: list[Size] = []
    for question, limit in zip(questions, limits, strict=True):
        if limit:
            sizes += _sizes(question, limit, criteria, find)
    done = [size for size in sizes if size.does]
    chosen = min(done, key=lambda size: _preference(size, criteria), default=None)
    return Comparison(sizes=tuple(sizes), chosen=chosen, fronts=_fronts(sizes))


def _limit(question: Question, criteria: Criteria) -> int:
    """Nodes that may be used at most."""
    cluster, most = question.cluster, criteria.asked.max_devices
    if cluster.more and criteria.asked.sized:
        raise SimdlError(
            f"{cluster.name}: found {len(cluster.parts)} node types; expected one where the number of nodes "
            "is part of the question (--objective, --deadline, --max-devices, --smallest, --pareto)"
        )
    return cluster.count if most is None else min(cluster.count, most // cluster.node.devices)


def _preference(size: Size, criteria: Criteria) -> tuple[float, float]:
    assert size.outcome is not None  # noqa: S101 - only sizes that do
    asked = criteria.asked
    score = size.outcome.score(asked.objective)
    if asked.smallest or (criteria.deadline is not None and asked.objective not in SIZED):
        return size.cluster.devices, score
    return score, size.cluster.devices


def _sizes(question: Question, limit: int, criteria: Criteria, find: Find) -> list[Size]:
    """The sizes of one cluster that are worth planning, fewest nodes first."""
    asked = criteria.asked
    if not asked.sized:
        return [_size(question, limit, criteria, find)]
    counts = node_counts(1, limit)
    smallest_wanted = asked.smallest or criteria.deadline is not None
    if asked.objective not in SIZED and not (smallest_wanted or asked.pareto):
        counts = counts[-2:]
    stops = smallest_wanted and asked.objective not in SIZED and not asked.pareto
    found: list[Size] = []
    for count in counts:
        found.append(_size(question, count, criteria, find))
        if found[-1].does and stops:
            break
    if smallest_wanted:
        found += _between(found, question, criteria, find)
    return sorted(found, key=lambda size: size.cluster.count)


def _between(found: Sequence[Size], question: Question, criteria: Criteria, find: Find) -> list[Size]:
    """Sizes in the gap below the first that does: those that bisect it, then those that may do all the same.

    More nodes are not always faster, because not every number divides a batch as well. So of the numbers that
    bisection passed over, those are tried that would be in time if they were as efficient as the best.
    """
    first = next((index for index, size in enumerate(found) if size.does), 0)
    if not first:
        return []
    low, high = (size.cluster.count for size in found[first - 1 : first + 1])
    counts = left = [count for count in range(low + 1, high) if _shared(question, count)]
    tried: list[Size] = []
    while counts:
        middle = len(counts) // 2
        tried.append(_size(question, counts[middle], criteria, find))
        counts = counts[:middle] if tried[-1].does else counts[middle + 1 :]
    for count in _passed_over([*found, *tried], left, criteria):
        tried.append(_size(question, count, criteria, find))
        if tried[-1].does:
            break
    return tried


def _passed_over(found: Sequence[Size], counts: Sequence[int], criteria: Criteria) -> list[int]:
    """Untried numbers below the smallest that does, which would be in time at the best efficiency seen."""
    smallest = min(size.cluster.count for size in found if size.does)
    known = {size.cluster.count for size in found}
    times = [
        size.outcome.training_time * size.cluster.count
        for size in found
        if size.outcome is not None and size.outcome.training_time is not None
    ]
    if criteria.deadline is None or not times:
        return []
    least = min(times)
    fine = [each for each in counts if each < smallest and least / each <= criteria.deadline]
    return [each for each in fine if each not in known][:TRIES]


def _shared(question: Question, count: int) -> bool:
    """Whether so many nodes could be shared by replicas, stages and tensor-parallel ranks."""
    network = question.workload.network
    if batch_was_assumed(question):
        return True
    odd = count * question.cluster.node.devices
    odd //= odd & -odd
    return question.workload.global_batch * network.depth * prod(network.tensor_divisors) % odd == 0


def resized(question: Question, count: int) -> Question:
    """The question on another number of nodes, everything else alike.

    A batch that nobody gave becomes the nearest one that so many devices can share.
    """
    cluster = question.cluster
    if count == cluster.count:
        return question
    batch = question.workload.global_batch
    said = question.assumptions
    smaller = replace(cluster, count=count)
    if batch_was_assumed(question):
        batch, reason = assumed_batch(question, smaller)
        rest = (each for each in said if not each.startswith("global batch"))
        said = (f"global batch {batch} ({reason})", *rest)
    name = question.options.cluster
    name = name.rpartition(":")[0] if ".toml:" in name else name.partition(":")[0]
    return replace(
        question,
        cluster=smaller,
        workload=replace(question.workload, global_batch=batch),
        assumptions=said,
        options=replace(question.options, cluster=f"{name}:{count}", global_batch=batch),
    )


def _size(question: Question, count: int, criteria: Criteria, find: Find) -> Size:
    question = resized(question, count)
    if reason := _late_at_best(question, criteria):
        return Size(question=question, late=True, reason=reason)
    objective = criteria.asked.objective
    result = find(question, WIDE if objective in SIZED else 1)
    if not result.plans:
        return Size(question=question, reason=result.reasons[-1] if result.reasons else "no plan")
    judged = [(find_outcome(plan.report, question, criteria), plan) for plan in result.plans]
    outcome, plan = min(judged, key=lambda pair: pair[0].score(objective))
    late = _is_late(outcome.training_time, criteria)
    return Size(question=question, plan=plan, outcome=outcome, late=late, reason="late" if late else "")


def _is_late(seconds: float | None, criteria: Criteria) -> bool:
    return criteria.deadline is not None and seconds is not None and seconds > criteria.deadline


def _late_at_best(question: Question, criteria: Criteria) -> str:
    """Why a size misses the deadline whatever the strategy; empty if it may not."""
    horizon, workload, cluster = criteria.horizon, question.workload, question.cluster
    if criteria.deadline is None or horizon is None or horizon.samples is None:
        return ""
    peak = cluster.devices * cluster.device.flop_rate(workload.precision.matmul)
    seconds = workload.network.model_flops * horizon.samples / peak
    if not _is_late(seconds, criteria):
        return ""
    return f"late: {format_duration(seconds)} even at the peak rate of its devices"


def ranked(result: PlanResult, question: Question, criteria: Criteria) -> PlanResult:
    """The plans of a result by the objective; what explains the fastest goes where another comes first."""
    objective = criteria.asked.objective
    if not result.plans or objective not in (*SIZED, REGRET):
        return result
    if objective == REGRET:
        return by_regret(result)
    scores = {
        id(plan): find_outcome(plan.report, question, criteria).score(objective) for plan in result.plans
    }
    plans = tuple(sorted(result.plans, key=lambda plan: scores[id(plan)]))
    result = replace(result, plans=plans, why=result.why if plans[0] is result.plans[0] else ())
    if objective != ENERGY and (criteria.prices is None or not criteria.prices.electricity):
        return result  # the fastest costs least
    said = f"{objective} of the {len(plans)} fastest plans is compared, not of all candidates"
    return replace(result, certified=False, uncertified=said)


def _fronts(sizes: Sequence[Size]) -> dict[str, tuple[int, ...]]:
    """Indices of the sizes that no other beats in time and devices, and in time and cost."""
    held = [(index, size.outcome) for index, size in enumerate(sizes) if size.outcome is not None]
    times = [1 / each.samples_per_s for _, each in held]
    others = {"time_devices": [float(each.devices) for _, each in held]}
    if held and all(each.cost_rate is not None for _, each in held):
        others["time_cost"] = [each.score(COST) for _, each in held]
    return {
        name: tuple(held[place][0] for place in pareto_front(amounts, times))
        for name, amounts in others.items()
    }
