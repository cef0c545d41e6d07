"""Ways out: what to change of a strategy that needs more memory than there is."""

from dataclasses import dataclass
from itertools import islice

from planner.questions.question import Options, Question
from planner.remedies.least_saving import NOTHING, choose_rest
from planner.remedies.remedy import other_stacks, remedies
from simdl.step.simulate import price
from simdl.step.strategy import Strategy

REMEDIES = 3
"""Single changes that are offered, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysOut:
    """What would fit.

    Attributes:
        stacks: other usual software on which the same strategy fits, by name.
        strategies: that fit: of one change each, or the one that is left where no single change suffices.
    """

    stacks: tuple[str, ...]
    strategies: tuple[Strategy, ...]

    def __bool__(self) -> bool:
        """Whether anything fits at all."""
        return bool(self.stacks or self.strategies)


def ways_out(strategy: Strategy, question: Question, options: Options) -> WaysOut:
    """What would fit instead of a strategy that does not, the least drastic first.

    Args:
        strategy: that does not fit.
        question: with the stack that runs it.
        options: as the user gave them.
    """
    stacks, fitting = tuple[str, ...](), list[Strategy]()
    if not question.cluster.more:
        pricing = price(question.workload, question.cluster, stack=question.stack)
        stacks = tuple(other_stacks(strategy, question.workload, pricing))
        fitting = list(islice(remedies(strategy, question.workload, pricing), REMEDIES))
    if not stacks and not fitting:
        freed = choose_rest(question, options, {})
        fitting = [] if NOTHING in freed.chosen else [freed.strategy]
    return WaysOut(stacks=stacks, strategies=tuple(fitting))
