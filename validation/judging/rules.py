"""Rules as data: a TOML file of ``[[rule]]`` tables in order, read as one dataclass, every fault at once.

A rule takes what it leaves out from the ``[shared.NAME]`` table that its ``like`` names. Patterns are regular
expressions, case ignored; of the rules whose pattern is found in a text, the first one applies.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError

from validation.errors import RulesError

Pattern = Annotated[re.Pattern[str], AfterValidator(lambda found: re.compile(found.pattern, re.IGNORECASE))]
_KEYS = ("rule", "shared")


class PatternRule(Protocol):
    """A rule that applies to texts with its pattern."""

    @property
    def pattern(self) -> re.Pattern[str]:
        """To be found in a text."""


Rule = TypeVar("Rule")
Matching = TypeVar("Matching", bound=PatternRule)


def load_rules(file: str, kind: type[Rule]) -> tuple[Rule, ...]:
    """The rules of a file that comes with the project, read once.

    Args:
        file: below ``validation/``.
        kind: dataclass of one rule.

    Raises:
        RulesError: the file breaks one or more rules; one line per fault.
    """
    rules: tuple[Rule, ...] = _load_rules(file, kind)  # type: ignore[arg-type]  # classes are hashable
    return rules


@cache
def _load_rules(file: str, kind: type[Rule]) -> tuple[Rule, ...]:
    return parse_rules((resources.files("validation") / file).read_text(encoding="utf-8"), file, kind)


def parse_rules(text: str, place: str, kind: type[Rule]) -> tuple[Rule, ...]:
    """The rules of a text; ``place`` is how messages name it.

    Raises:
        RulesError: the text breaks one or more rules; one line per fault.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{place}: not TOML: {error}") from None
    faults = list(_faults(data))
    shared = data.get("shared", {})
    entries = [{**shared.get(entry.pop("like", ""), {}), **entry} for entry in data.get("rule", ())]
    # through JSON, because only there are strict dataclasses built from plain tables
    reader = TypeAdapter(tuple[kind, ...], config=ConfigDict(extra="forbid", strict=True))  # type: ignore[valid-type]
    try:
        rules: tuple[Rule, ...] = reader.validate_json(json.dumps(entries))
    except ValidationError as error:
        faults += [_said(fault) for fault in error.errors()]
    if faults:
        raise RulesError("\n".join(f"{place}: {fault}" for fault in faults))
    return rules


def first_match(rules: Iterable[Matching], text: str) -> Matching | None:
    """The first rule whose pattern is found in a text."""
    return next((rule for rule in rules if rule.pattern.search(text)), None)


def _faults(data: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong around the rules."""
    if not data.get("rule"):
        yield "rule: missing; expected at least one [[rule]]"
    yield from (f"{key}: unknown key; expected {' or '.join(_KEYS)}" for key in data if key not in _KEYS)
    shared, taken = data.get("shared", {}), {entry.get("like") for entry in data.get("rule", ())} - {None}
    yield from (f"shared.{name}: no rule is like it; remove it" for name in shared if name not in taken)
    for number, entry in enumerate(data.get("rule", ()), start=1):
        if "like" in entry and entry["like"] not in shared:
            known = ", ".join(shared) or "none"
            yield f"rule {number}: like: found {entry['like']!r}; expected one of {known}"


def _said(fault: Mapping[str, Any]) -> str:
    number, *keys = fault["loc"]
    found = "nothing" if fault["type"] == "missing" else repr(fault["input"])
    return f"rule {number + 1}: {'.'.join(map(str, keys))}: found {found}; {fault['msg'].lower()}"
