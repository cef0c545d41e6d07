"""The sides of a page: A and, where two are compared, B, each with the question that it answers.

B answers A's question, or the same training on other hardware or software: then its global batch is A's, as
where `simdl plan` compares several clusters.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from planner.dashboard.catalog import Asked, Catalog, ask
from planner.dashboard.state import SIDES, State, Values
from planner.questions.question import Question, assumed_batch, batch_was_assumed, for_strategy
from planner.questions.strategy_file import build_strategy
from simdl.errors import StrategyError
from simdl.step.strategy import Strategy, problems, refused

LIVE = 200_000  # passes of a step that the page simulates, about three seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side whose strategy can be carried out.

    Attributes:
        name: ``A`` or ``B``.
        asked: its question in words.
        strategy: checked.
    """

    name: str
    asked: Asked
    strategy: Strategy


def side_names(state: State) -> tuple[str, ...]:
    """``A``, or ``A`` and ``B``."""
    return tuple(side.upper() for side in SIDES[: len(state.strategies)])


def asked_of(state: State, side: int, catalog: Catalog) -> Asked:
    """The question of a side, whose global batch is the same training's on both.

    Raises:
        WorkloadError, HardwareError, SimdlError: A's question is refused, or B's hardware.
    """
    if not side or not state.hardware:
        return state.asked
    first, other = ask(state.asked, catalog), replace(state.asked, **state.hardware)
    if state.asked.global_batch is not None:
        return other
    batch = first.workload.global_batch
    if batch_was_assumed(first):
        cluster = ask(replace(other, global_batch=batch), catalog).cluster
        batch = assumed_batch(first, cluster)[0]
    return replace(other, global_batch=batch)


@lru_cache(maxsize=64)
def question_for(asked: Asked, catalog: Catalog, strategy: Strategy) -> Question:
    """The question with the stack that usually runs a strategy, where its user named none (as `simulate`).

    Raises:
        WorkloadError, HardwareError, SimdlError: the question is refused.
    """
    question = ask(asked, catalog)
    return for_strategy(question, replace(question.options, stack=asked.stack), strategy)


def build_side(state: State, side: int, catalog: Catalog) -> Side:
    """A side, whether or not its strategy can be carried out.

    Raises:
        StrategyError: a value is none.
        WorkloadError, HardwareError, SimdlError: the question is refused.
    """
    asked = asked_of(state, side, catalog)
    strategy = build_strategy(state.strategies[side], ask(asked, catalog).cluster)
    return Side(name=side_names(state)[side], asked=asked, strategy=strategy)


def check_side(state: State, side: int, catalog: Catalog) -> Side:
    """A side whose strategy can be carried out.

    Raises:
        StrategyError: it cannot, or not on this page; carries every reason.
        WorkloadError, HardwareError, SimdlError: the question is refused.
    """
    found = build_side(state, side, catalog)
    question = question_for(found.asked, catalog, found.strategy)
    reasons = tuple(refusals(found.strategy, question)) or tuple(_too_long(found.strategy, question))
    if reasons:
        raise StrategyError(reasons)
    return found


def refusals(strategy: Strategy, question: Question) -> Iterator[str]:
    """Why a strategy cannot be carried out by a question's cluster and software, one sentence each."""
    yield from problems(strategy, question.workload, question.cluster)
    yield from refused(strategy, question.stack)


def count_passes(question: Question, strategy: Strategy) -> int:
    """Forward and backward passes of all pipeline ranks in one step."""
    return strategy.passes(question.workload.global_batch)


def values_of(strategy: Values, **changed: object) -> Values:
    """Values of a strategy with some changed; None leaves one out."""
    return {name: value for name, value in {**strategy, **changed}.items() if value is not None}


def _too_long(strategy: Strategy, question: Question) -> Iterator[str]:
    passes = count_passes(question, strategy)
    if passes > LIVE:
        yield (
            f"a step of {passes:,} passes (2 x pp x virtual stages x microbatches); the page simulates at "
            f"most {LIVE:,}, `simdl simulate` more"
        )
