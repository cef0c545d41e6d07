"""Breadth-first: each rank runs all microbatches through one of its virtual stages before the next one.

Source: Lamy-Poirier, "Breadth-First Pipeline Parallelism", 2022, section 4 and figure 4d: the bubble of
interleaving, the memory of GPipe, and one uninterrupted run of passes per stage, beside which sharded
parameters are gathered and gradients are reduced once. Backward passes run in reverse order, as in PyTorch's
``ScheduleLoopedBFS``.
"""

from simdl.pipelines.passes import Orders, Pass, PassKind
from simdl.pipelines.pipeline import Pipeline, any_size


def build_breadth_first(ranks: int, microbatches: int, virtual_stages: int) -> Orders:
    """All forward passes stage by stage, then all backward passes the other way round."""
    orders = []
    for rank in range(ranks):
        passes = [(m, chunk * ranks + rank) for chunk in range(virtual_stages) for m in range(microbatches)]
        forwards = [Pass(PassKind.FORWARD, m, stage) for m, stage in passes]
        orders.append((*forwards, *(Pass(PassKind.BACKWARD, m, stage) for m, stage in reversed(passes))))
    return tuple(orders)


PIPELINE = Pipeline(
    name="breadth-first",
    description="all microbatches through one virtual stage after the other",
    build=build_breadth_first,
    problems=any_size,
    conditions=("a step has at least as many microbatches as ranks",),
)
