"""The nearest strategies that can be carried out, for one that cannot: one value of its user's changed."""

from collections.abc import Iterator, Mapping
from itertools import islice
from math import log
from typing import Any

from planner.questions.question import Options, Question
from planner.remedies.least_saving import NOTHING, Choice, choose_rest
from simdl.divisors import divisors
from simdl.errors import SimdlError
from simdl.step.mixed import share_problems
from simdl.step.strategy import problems, refused

TRIED = 12
"""Values of a number that are tried, the nearest by ratio first."""
NEAR = 4
"""Neighbours of a number on either side that are among them."""
SWITCHES: Mapping[str, tuple[Any, ...]] = {
    "zero": (0, 1, 2, 3),
    "sequence_parallel": (False, True),
    "recompute": ("none", "selective", "full"),
    "schedule": ("1f1b", "interleaved-1f1b"),
}
"""Values of what is no degree."""
OFFERED = 3


def nearest_values(question: Question, options: Options, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Single values that make what its user gave a strategy that is carried out and fits, at most three.

    Args:
        question: read from the options.
        options: as the user gave them.
        given: values by field of a strategy that cannot be carried out.
    """
    return list(islice(_changes(question, options, given), OFFERED))


def _changes(question: Question, options: Options, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in given.items():
        for other in _values(name, value, question):
            changed = {name: other}
            if _works(question, options, {**given, **changed}):
                yield changed
                break


def _values(name: str, value: Any, question: Question) -> list[Any]:  # noqa: ANN401 - of a field
    if name in SWITCHES:
        return [other for other in SWITCHES[name] if other != value]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        return []
    whole = question.workload.global_batch if name == "micro_batch" else question.cluster.devices
    found = {*divisors(whole), *range(max(1, value - NEAR), value + NEAR + 1)} - {value}
    return sorted(found, key=lambda each: (abs(log(each / value)), each))[:TRIED]


def _works(question: Question, options: Options, given: Mapping[str, Any]) -> bool:
    """Whether the rest can be chosen so that it is carried out and fits."""
    try:
        choice = choose_rest(question, options, given)
    except SimdlError:
        return False
    return NOTHING not in choice.chosen and not any(_refusals(choice))


def _refusals(choice: Choice) -> Iterator[str]:
    workload, cluster = choice.question.workload, choice.question.cluster
    yield from problems(choice.strategy, workload, cluster)
    yield from share_problems(choice.strategy, workload, cluster)
    yield from refused(choice.strategy, choice.question.stack)
