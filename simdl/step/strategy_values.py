"""What each field of a strategy may hold: rules that name what was found and what is expected.

A rule takes the value of a field and returns what it expects where the value is none of it, else ``""``.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from numbers import Integral
from typing import Any, TypeGuard

from simdl.errors import SimdlError

Rule = Callable[[object], str]
PAIR = 2  # a layer and its split


def whole(least: int, most: int | None = None) -> Rule:
    """A whole number from ``least`` to ``most``."""
    if most is None:
        expected = f"a whole number, at least {least}"
    else:
        expected = f"{', '.join(map(str, range(least, most)))} or {most}"

    def rule(value: object) -> str:
        fits = is_whole(value) and value >= least and (most is None or value <= most)
        return "" if fits else expected

    return rule


def is_whole(value: object) -> TypeGuard[int]:
    """Whether this is a whole number, of Python or of an array; True and False are none."""
    return type(value) is int or (isinstance(value, Integral) and not isinstance(value, bool))


def flag(value: object) -> str:
    """True or False."""
    return "" if isinstance(value, bool) else "true or false"


def member(kind: type[StrEnum]) -> Rule:
    """A member of an enumeration, or its text."""
    expected, members = f"one of {', '.join(kind)}", frozenset(kind)

    def rule(value: object) -> str:
        return "" if isinstance(value, str) and value in members else expected

    return rule


def counts(what: str) -> Rule:
    """A list of whole numbers of at least 1."""

    def rule(value: object) -> str:
        fits = isinstance(value, list | tuple) and all(is_whole(item) and item >= 1 for item in value)
        return "" if fits else f"a list of {what}, at least 1 each"

    return rule


def named(read: Callable[[str], object], example: str) -> Rule:
    """A text that can be read; the refusal of the reader is given as it is."""

    def rule(value: object) -> str:
        if not isinstance(value, str):
            return f"text such as {example!r}"
        try:
            read(value)
        except SimdlError as error:
            return str(error)
        return ""

    return rule


def layer_splits(value: object) -> str:
    """A table of texts, or the pairs that stand for one, no layer twice."""
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, list | tuple) or not all(map(_is_pair, pairs)):
        return 'a table such as "conv1/conv1" = "spatial 2x2"'
    names = [layer for layer, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    return "; ".join(f"splits.{name}: given twice; expected once" for name in twice)


def _is_pair(value: Any) -> bool:  # noqa: ANN401 - whatever stands in the table
    """Whether this is a layer and its split, in words."""
    pair = isinstance(value, list | tuple) and len(value) == PAIR
    return pair and all(isinstance(word, str) for word in value)


def plain(value: Any) -> object:  # noqa: ANN401 - whatever a rule lets pass
    """A value that its rule lets pass, in types of Python that compare and print alike."""
    if isinstance(value, Mapping):
        return tuple(map(tuple, value.items()))
    if isinstance(value, list | tuple):
        return tuple(int(item) if is_whole(item) else tuple(item) for item in value)
    return int(value) if is_whole(value) else value


def faults(values: Mapping[str, object], rules: Mapping[str, Rule]) -> Iterator[str]:
    """What is wrong with values by field, one sentence each."""
    for key, value in values.items():
        expected = rules[key](value)
        if not expected:
            continue
        if expected.startswith((f"{key}:", f"{key}.", f"{key} ")):  # a reader's own sentence
            yield expected
        else:
            yield f"{key}: found {value!r}; expected {expected}"
