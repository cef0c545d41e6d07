"""What the page answers: strategies simulated and drawn, the last few of each kept.

A step of many passes takes longer than a page should wait, so its bound is known first.
"""

from dataclasses import dataclass
from functools import lru_cache

from planner.bounds.estimate import estimate_bound
from planner.dashboard.catalog import Asked, Catalog
from planner.dashboard.sides import question_for
from planner.pages.page import Section
from planner.pages.sections.step import detail_sections, pipeline_sections, step_lines, time_sections
from simdl.collector import collector_paused
from simdl.memory.needs import memory_by_rank, memory_shortfalls
from simdl.step.costs.step_cost import StepCost
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import Simulation, price, simulate
from simdl.step.strategy import Strategy

QUICK = 20_000  # passes up to which the page simulates at once


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """What is known of a step before it is simulated.

    Attributes:
        bound: [s] that it takes at least.
        shortfalls: stages that do not fit in memory, a sentence each, the worst first.
        step: what it costs.
        memory: [bytes] of every pipeline rank by part.
    """

    bound: float
    shortfalls: tuple[str, ...]
    step: StepCost
    memory: tuple[dict[str, float], ...]


def reasons_of(error: Exception) -> tuple[str, ...]:
    """A refusal sentence by sentence."""
    found = getattr(error, "reasons", None) or getattr(error, "faults", None)
    return tuple(found) if found else (str(error),)


@lru_cache(maxsize=8)
def outline(asked: Asked, catalog: Catalog, strategy: Strategy) -> Outline:
    """What is known of a checked strategy at once."""
    question = question_for(asked, catalog, strategy)
    pricing = price(question.workload, question.cluster, stack=question.stack)
    step = step_cost(question.workload, strategy, pricing)
    memory = tuple(memory_by_rank(step))
    return Outline(
        bound=estimate_bound(strategy, question.workload, pricing),
        shortfalls=tuple(memory_shortfalls(step, question.cluster.device, memory)),
        step=step,
        memory=memory,
    )


@lru_cache(maxsize=3)
def simulation(asked: Asked, catalog: Catalog, strategy: Strategy) -> Simulation:
    """A checked strategy, simulated."""
    question = question_for(asked, catalog, strategy)
    return simulate(question.workload, question.cluster, strategy, stack=question.stack)


@lru_cache(maxsize=6)
@collector_paused()  # figures read the 10^5 tasks of a step
def first_sections(asked: Asked, catalog: Catalog, strategy: Strategy) -> tuple[Section, ...]:
    """What is drawn at once of a checked strategy: totals, time, pipeline, memory."""
    question, found = question_for(asked, catalog, strategy), simulation(asked, catalog, strategy)
    return *time_sections(question.workload, found), *pipeline_sections(found)


@lru_cache(maxsize=6)
@collector_paused()
def other_sections(asked: Asked, catalog: Catalog, strategy: Strategy) -> tuple[Section, ...]:
    """What is drawn when it is looked at: all else of its report page."""
    question, found = question_for(asked, catalog, strategy), simulation(asked, catalog, strategy)
    return detail_sections(question.workload, found)


def lines_of(asked: Asked, catalog: Catalog, strategy: Strategy) -> tuple[str, ...]:
    """What was assumed of a simulated strategy, and of what it warns."""
    question, found = question_for(asked, catalog, strategy), simulation(asked, catalog, strategy)
    return step_lines(question, found.report)
