"""Plans for a question: on nodes of one type or of several, with gradients as they are or compressed too."""

from collections.abc import Sequence

from planner.questions.question import Question
from planner.search.best_first import Progress
from planner.search.compressed import with_compression
from planner.search.mixed import plan_mixed
from planner.search.plan import PlanResult, plan
from simdl.errors import SimdlError
from simdl.step.simulate import price


def find_plans(
    question: Question,
    *,
    top: int,
    max_simulations: int | None = None,
    uneven: bool = False,
    methods: Sequence[str] = (),
    explained: bool = True,
    progress: Progress | None = None,
) -> PlanResult:
    """The ranked strategies for a question.

    Args:
        question: what is computed, on what, with which software.
        top: plans wanted.
        max_simulations: give up certainty after so many; None for no limit.
        uneven: replicas on faster nodes of a mixed cluster may have more microbatches.
        methods: of compression (:mod:`simdl.compression.method`), whose plans are ranked too.
        explained: also say why the best plan is the best.
        progress: told about the search.

    Raises:
        SimdlError: uneven shares are asked for where all nodes are alike.
    """
    workload, cluster, stack = question.workload, question.cluster, question.stack
    if cluster.more:
        result = plan_mixed(
            workload,
            cluster,
            stack=stack,
            top=top,
            max_simulations=max_simulations,
            uneven=uneven,
            explained=explained,
            progress=progress,
        )
    elif uneven:
        raise SimdlError(
            f"--uneven-shares: found with {cluster.name}, whose nodes are alike; expected a mixed cluster "
            "such as dgx-a100:2,dgx-h100:2"
        )
    else:
        result = plan(
            workload,
            cluster,
            stack=stack,
            top=top,
            max_simulations=max_simulations,
            explained=explained,
            progress=progress,
        )
    if not methods:
        return result
    pricing = price(workload, cluster, stack=stack)
    return with_compression(result, methods, workload, pricing=pricing, top=top)
