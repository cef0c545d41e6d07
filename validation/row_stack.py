"""The software stack of a published row, by the one table ``validation/software_stacks.toml``."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from hardware.device import Device
from validation.published_rows import PublishedRow, TableKind

FALLBACK_GENERATION = "ampere"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRule:
    """Rows whose cells match every pattern ran on ``stack``."""

    patterns: Mapping[str, re.Pattern[str]]
    generation: re.Pattern[str]
    stack: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StackTable:
    """Rules in order, and the default stack of each device generation by kind of table."""

    rules: tuple[StackRule, ...]
    defaults: Mapping[TableKind, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackChoice:
    """A stack and, where it is only a default, the warning that says so."""

    stack: str
    warning: str = ""


def choose_stack(row: PublishedRow, device: Device) -> StackChoice:
    """The stack a row ran on, or the default of its device generation with a warning."""
    table = load_stack_table()
    for rule in table.rules:
        if _matches(rule, row, device):
            return StackChoice(stack=rule.stack)
    defaults = table.defaults[row.kind]
    generation = _family(device.generation, defaults)
    return StackChoice(
        stack=defaults[generation],
        warning=(
            f"{row.file}: software of source {row['source']!r} is not known; "
            f"took {defaults[generation]}, the default of {device.generation} devices"
        ),
    )


@cache
def load_stack_table() -> StackTable:
    """The table that comes with the project."""
    text = (resources.files("validation") / "software_stacks.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    return StackTable(
        rules=tuple(_rule(entry) for entry in data["rule"]),
        defaults={"llm": data["generation"]["llm"], "cnn": data["generation"]["cnn"]},
    )


def stack_names() -> tuple[str, ...]:
    """Every stack the table names, sorted."""
    table = load_stack_table()
    named = {rule.stack for rule in table.rules}
    return tuple(sorted(named.union(*(defaults.values() for defaults in table.defaults.values()))))


def _rule(entry: Mapping[str, str]) -> StackRule:
    columns = {key: text for key, text in entry.items() if key not in ("stack", "why", "generation")}
    return StackRule(
        patterns={column: re.compile(text, re.IGNORECASE) for column, text in columns.items()},
        generation=re.compile(entry.get("generation", ""), re.IGNORECASE),
        stack=entry["stack"],
        why=entry["why"],
    )


def _matches(rule: StackRule, row: PublishedRow, device: Device) -> bool:
    if not rule.generation.search(device.generation):
        return False
    return all(
        column in row.cells and pattern.search(row[column]) for column, pattern in rule.patterns.items()
    )


def _family(generation: str, defaults: Mapping[str, str]) -> str:
    """The table's key for a generation: its own name, or the one it starts with (``tpu-v5e`` is ``tpu``)."""
    for key in defaults:
        if generation.lower().startswith(key):
            return key
    return FALLBACK_GENERATION
