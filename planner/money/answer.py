"""Answer: the plans of a question under its criteria, on the cluster and number of nodes that they choose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from planner.console.objective import choose_batch
from planner.money.criteria import REGRET, SIZED, TIME_TO_ACCURACY, Criteria, CriteriaAsked, read_criteria
from planner.money.horizon import Horizon
from planner.money.sizes import WIDE, Comparison, compare_sizes, ranked
from planner.questions.question import (
    Options,
    Question,
    assumed_batch,
    batch_was_assumed,
    load_question,
)
from planner.search.plan import PlanResult
from planner.search.regret import COMPARED, with_regrets
from simdl.errors import SimdlError

Find = Callable[[Question, int], PlanResult]
"""Plans a question; the second argument is how many plans are wanted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What is answered.

    Attributes:
        question: with the cluster, the number of nodes and the batch that were chosen.
        result: its ranked plans; without plans where none meets the criteria.
        criteria: that were asked for, read.
        comparison: sizes side by side; None where there was nothing to choose.
        batches: how global batches compare, where time to accuracy chooses one; else None.
    """

    question: Question
    result: PlanResult
    criteria: Criteria
    comparison: Comparison | None = None
    batches: dict[str, Any] | None = None


def on_clusters(first: Question, options: Options, others: Sequence[str]) -> tuple[Question, ...]:
    """The question on every cluster that it names, the same global batch on all.

    Args:
        first: on the first cluster.
        options: it was read from.
        others: names of further clusters.

    Raises:
        SimdlError: a cluster is named twice.
        WorkloadError, HardwareError: as :func:`planner.questions.question.load_question`.
    """
    batch = first.workload.global_batch
    more = [_on(first, replace(options, cluster=name, global_batch=batch)) for name in others]
    names = [question.cluster.name for question in (first, *more)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SimdlError(f"--cluster: found {twice} twice; expected each once")
    return (first, *more)


def _on(first: Question, options: Options) -> Question:
    """The question on another cluster; what was assumed of the first one's batch is assumed of this too."""
    question = load_question(options)
    if not batch_was_assumed(first):
        return question
    batch, reason = assumed_batch(first, question.cluster)
    return replace(
        question,
        workload=replace(question.workload, global_batch=batch),
        assumptions=(f"global batch {batch} ({reason})", *question.assumptions),
        options=replace(question.options, global_batch=batch),
    )


def answer(questions: Sequence[Question], asked: CriteriaAsked, find: Find, *, top: int) -> Answer:
    """Plan a question on one cluster, or choose among clusters and numbers of nodes first.

    Args:
        questions: one for each cluster; the first says what the horizon is of.
        asked: the criteria.
        find: plans one question.
        top: plans wanted.

    Raises:
        SimdlError, HardwareError, WorkloadError: the criteria do not go together, or need what is not known.
    """
    question, criteria = questions[0], read_criteria(asked, questions[0])
    if asked.objective == TIME_TO_ACCURACY:
        return _to_accuracy(questions, criteria, find, top=top)
    if len(questions) == 1 and not asked.sized:
        return Answer(question=question, result=_best(question, criteria, find, top=top), criteria=criteria)
    comparison = compare_sizes(questions, criteria, find)
    chosen = comparison.chosen
    if chosen is None:
        return Answer(
            question=question, result=_nothing(comparison, criteria), criteria=criteria, comparison=comparison
        )
    return Answer(
        question=chosen.question,
        result=_best(chosen.question, criteria, find, top=top),
        criteria=criteria,
        comparison=comparison,
    )


def _best(question: Question, criteria: Criteria, find: Find, *, top: int) -> PlanResult:
    """The first plans of a question by the objective, of as many as it is compared among."""
    objective = criteria.asked.objective
    wanted = max(top, WIDE) if objective in SIZED else max(top, COMPARED) if objective == REGRET else top
    result = ranked(with_regrets(find(question, wanted)), question, criteria)
    return replace(result, plans=result.plans[:top])


def _to_accuracy(questions: Sequence[Question], criteria: Criteria, find: Find, *, top: int) -> Answer:
    """The answer at the global batch that is done first; its training to the target is the horizon."""
    if len(questions) > 1:
        raise SimdlError(
            f"--objective {TIME_TO_ACCURACY}: found {len(questions)} clusters; expected one, whose global "
            "batch it chooses"
        )
    horizon, training = criteria.horizon, None
    if horizon is not None and horizon.samples is None:
        raise SimdlError(
            f"--objective {TIME_TO_ACCURACY}: found --horizon {horizon.text}, a time; expected how long a "
            "usual training is, such as 300B"
        )
    if horizon is not None:
        training = horizon.samples
    question, batches = choose_batch(questions[0], training)
    samples = batches["batches"][0]["samples"]
    criteria = replace(criteria, horizon=Horizon(text="the target", samples=samples))
    return Answer(
        question=question, result=_best(question, criteria, find, top=top), criteria=criteria, batches=batches
    )


def _nothing(comparison: Comparison, criteria: Criteria) -> PlanResult:
    """No plan, and why: the sizes that were tried, one sentence each."""
    planned = [size for size in comparison.sizes if size.outcome is not None]
    reasons = [f"{size.cluster.name}: {size.reason}" for size in comparison.sizes]
    if planned and criteria.deadline is not None:
        fastest = min(planned, key=lambda size: size.outcome.training_time or 0.0)  # type: ignore[union-attr]
        days = (fastest.outcome.training_time or 0.0) / 86400  # type: ignore[union-attr]
        reasons.append(
            f"no cluster meets the deadline of {criteria.asked.deadline}: the fastest, "
            f"{fastest.cluster.name}, takes {days:.4g} d; expected more devices or a later deadline"
        )
    return PlanResult(
        plans=(),
        candidates=0,
        feasible=0,
        simulated=0,
        certified=False,
        certified_over="",
        wall_time=0.0,
        reasons=tuple(reasons),
        why=(),
    )
