"""What the page answers: a strategy checked, simulated and drawn, the last few of each kept.

A step of many passes takes longer than a page should wait, so its bound is known first; one of more than
``LIVE`` passes is refused, and a command does it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from planner.bounds.estimate import estimate_bound
from planner.console.format import format_strategy
from planner.console.report_json import simulation_json
from planner.dashboard.catalog import Asked, Catalog, ask
from planner.dashboard.state import SIDES, State
from planner.pages.page import Page
from planner.pages.sections.step import simulate_page
from planner.questions.question import Question
from planner.questions.strategy_file import build_strategy
from planner.search.remedy import remedies
from simdl.collector import collector_paused
from simdl.errors import StrategyError
from simdl.memory.needs import memory_shortfalls
from simdl.step.automatic_cut import step_cost
from simdl.step.simulate import Simulation, price, simulate
from simdl.step.strategy import Strategy, problems

LIVE = 200_000  # passes of a step that the page simulates, about three seconds
QUICK = 20_000  # passes up to which it simulates at once
REMEDIES = 3  # changes that would fit, of which the page tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What is known of a step before it is simulated.

    Attributes:
        bound: [s] that it takes at least.
        shortfalls: stages that do not fit in memory, a sentence each, the worst first.
    """

    bound: float
    shortfalls: tuple[str, ...]


def check_strategy(state: State, side: int, catalog: Catalog) -> Strategy:
    """The strategy of a side.

    Raises:
        StrategyError: it cannot be carried out, or not on this page; carries every reason.
        WorkloadError, HardwareError, SimdlError: the question is refused.
    """
    question = ask(state.asked, catalog)
    strategy = build_strategy(state.strategies[side], question.cluster)
    reasons = tuple(problems(strategy, question.workload, question.cluster))
    reasons = reasons or tuple(_too_long(question, strategy))
    if reasons:
        raise StrategyError(reasons)
    return strategy


def reasons_of(error: Exception) -> tuple[str, ...]:
    """A refusal sentence by sentence."""
    found = getattr(error, "reasons", None) or getattr(error, "faults", None)
    return tuple(found) if found else (str(error),)


def count_passes(question: Question, strategy: Strategy) -> int:
    """Forward and backward passes of all pipeline ranks in one step."""
    return strategy.passes(question.workload.global_batch)


def _too_long(question: Question, strategy: Strategy) -> Iterator[str]:
    passes = count_passes(question, strategy)
    if passes > LIVE:
        yield (
            f"a step of {passes:,} passes (2 x pp x virtual stages x microbatches); the page simulates at "
            f"most {LIVE:,}, `simdl simulate` more"
        )


@lru_cache(maxsize=32)
def outline(asked: Asked, catalog: Catalog, strategy: Strategy) -> Outline:
    """What is known of a checked strategy at once."""
    question = ask(asked, catalog)
    pricing = price(question.workload, question.cluster, stack=question.stack)
    step = step_cost(question.workload, strategy, pricing)
    return Outline(
        bound=estimate_bound(strategy, question.workload, pricing),
        shortfalls=tuple(memory_shortfalls(step, question.cluster.device)),
    )


@lru_cache(maxsize=3)
def simulation(asked: Asked, catalog: Catalog, strategy: Strategy) -> Simulation:
    """A checked strategy, simulated."""
    question = ask(asked, catalog)
    return simulate(question.workload, question.cluster, strategy, stack=question.stack)


@lru_cache(maxsize=6)
@collector_paused()  # figures read the 10^5 tasks of a step
def step_page(asked: Asked, catalog: Catalog, strategy: Strategy) -> Page:
    """The report page of a checked strategy."""
    question, found = ask(asked, catalog), simulation(asked, catalog, strategy)
    return simulate_page(question, found, simulation_json(question, found.report))


def fitting_changes(question: Question, strategy: Strategy) -> list[str]:
    """Single changes with which a strategy would fit in memory."""
    pricing = price(question.workload, question.cluster, stack=question.stack)
    found = remedies(strategy, question.workload, pricing)
    return [format_strategy(changed) for changed, _ in zip(found, range(REMEDIES), strict=False)]


def side_names(state: State) -> tuple[str, ...]:
    """``A``, or ``A`` and ``B``."""
    return tuple(side.upper() for side in SIDES[: len(state.strategies)])
