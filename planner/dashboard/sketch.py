"""What can be drawn of a long step before it is simulated: the work of its ranks, and their memory.

Neither needs a timeline. A rank's work is a sum over its passes, of which every microbatch has the same, and
memory is exact (:mod:`simdl.memory.needs`). What ranks wait for and send beside their work is what the
simulation finds.
"""

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

import plotly.graph_objects as go

from planner.console.format import format_seconds
from planner.dashboard.answers import outline
from planner.dashboard.catalog import Asked, Catalog
from planner.dashboard.sides import question_for
from planner.pages.figures.shares import breakdown_figure, memory_parts_figure
from planner.pages.page import Section
from simdl.memory.needs import usable_memory
from simdl.pipelines import pipeline_order
from simdl.pipelines.passes import passes_of
from simdl.program.action import Cause
from simdl.step.costs.step_cost import StepCost
from simdl.step.strategy import Strategy

RANKS = 8  # that a figure shows at most
MARGIN = {"l": 80, "r": 20, "t": 70, "b": 50}
"""[px] around a figure: room for what stands there, so that it is not drawn twice to make some."""


@lru_cache(maxsize=4)
def sketch(asked: Asked, catalog: Catalog, strategy: Strategy) -> tuple[Section, ...]:
    """Sections of a step that is still being simulated."""
    question = question_for(asked, catalog, strategy)
    known = outline(asked, catalog, strategy)
    step, memory = known.step, known.memory
    shown = _spaced(strategy.pp)
    works = work_by_rank(step)
    bound = format_seconds(known.bound)
    return (
        Section(
            title="What ranks compute",
            body=_at_once(breakdown_figure([(f"rank {rank}", works[rank]) for rank in shown])),
            note=f"The step takes at least {bound}; what ranks send and wait for is being simulated.",
        ),
        Section(
            title="Memory by part and rank",
            body=_at_once(
                memory_parts_figure(
                    [(f"rank {rank}", memory[rank]) for rank in shown],
                    usable_memory(step.stack, question.cluster.device),
                )
            ),
        ),
    )


def _at_once(figure: go.Figure) -> go.Figure:
    """The figure in one go: nothing in it is measured to find how much room it takes."""
    figure.layout.margin = MARGIN
    figure.layout.xaxis.automargin = figure.layout.yaxis.automargin = False
    return figure


def work_by_rank(step: StepCost) -> list[dict[str, float]]:
    """[s] by cause that every pipeline rank spends on its passes and its update, alone and at full speed."""
    strategy, microbatches = step.strategy, step.microbatches
    sizes = (strategy.pp, strategy.virtual_stages)
    few = min(microbatches, strategy.pp)
    if microbatches % few or any(step.pipeline.problems(sizes[0], few, sizes[1])):
        few = microbatches
    orders = pipeline_order(strategy.schedule, sizes[0], few, sizes[1])
    found = []
    for rank, order in enumerate(orders):
        seconds: dict[str, float] = {}
        entries = Counter(tuple((each.kind, each.stage) for each in passes_of(entry)) for entry in order)
        for key, count in entries.items():
            for cause, each in step.pass_cost(key).parts:
                seconds[str(cause)] = seconds.get(str(cause), 0.0) + each * count * microbatches / few
        found.append(seconds | {str(Cause.OPTIMIZER): step.optimizer[rank]})
    return found


def _spaced(ranks: int) -> list[int]:
    """Ranks that are shown, evenly spaced with the first and the last."""
    return sorted(set(_places(ranks)))


def _places(ranks: int) -> Iterator[int]:
    last = min(ranks, RANKS) - 1
    yield from (round(place * (ranks - 1) / last) if last else 0 for place in range(last + 1))
