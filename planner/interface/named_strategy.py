"""A strategy as an argument: an object, a mapping of its fields, or a TOML file."""

from collections.abc import Mapping
from typing import Any

from hardware.cluster import Cluster
from planner.interface.arguments import FilePath, refuse, text
from planner.questions.question import Options, Question, for_strategy
from planner.questions.strategy_file import build_strategy, load_strategy
from planner.remedies.least_saving import Choice, choose_rest
from simdl.step.strategy import Strategy

STRATEGY = "a simdl.Strategy, a mapping of its fields, or a TOML file"


def named_strategy(strategy: object, cluster: Cluster) -> Strategy:
    """The strategy of an object, a mapping or a file.

    Raises:
        QuestionError: something else.
        SimdlError: a file that cannot be read, or values that cannot be.
    """
    if isinstance(strategy, Strategy):
        return strategy
    if isinstance(strategy, Mapping):
        return build_strategy(strategy, cluster)
    path = text("strategy", strategy, STRATEGY)
    if path is None:
        raise refuse("strategy", strategy, STRATEGY)
    return load_strategy(path, cluster)


def as_it_stands(strategy: Strategy, question: Question, options: Options) -> Choice:
    """A strategy that leaves nothing open, with the stack that usually runs it."""
    return Choice(question=for_strategy(question, options, strategy), strategy=strategy, chosen="")


def chosen_strategy(
    question: Question, options: Options, strategy: Strategy | Mapping[str, Any] | FilePath | None
) -> Choice:
    """The strategy of an object or a file, or of the fields given, of which the rest is chosen to fit.

    Raises:
        QuestionError: something else.
        SimdlError: a file that cannot be read, or values that cannot be.
    """
    if strategy is None or isinstance(strategy, Mapping):
        return choose_rest(question, options, dict(strategy or {}))
    return as_it_stands(named_strategy(strategy, question.cluster), question, options)
