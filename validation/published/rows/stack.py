"""The software stack of a published row, by the one table ``software_stacks.toml`` beside this module."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from hardware.device import Device
from simdl.errors import StackError
from simdl.stacks import default_stack
from validation.errors import RowSkippedError
from validation.published.tables import PublishedRow
from workloads.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRule:
    """Rows whose cells match every pattern, on a device of a matching generation, ran on ``stack``."""

    patterns: Mapping[str, re.Pattern[str]]
    generation: re.Pattern[str]
    stack: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StackChoice:
    """A stack and, where it is only a default, the warning that says so."""

    stack: str
    warning: str = ""


def choose_stack(row: PublishedRow, device: Device, network: Network) -> StackChoice:
    """The stack a row ran on, or the default of its device generation with a warning.

    Raises:
        RowSkippedError: the generation has no default stack either.
    """
    for rule in stack_rules():
        if _matches(rule, row, device):
            return StackChoice(stack=rule.stack)
    try:
        stack = default_stack(device.generation, network.sample)
    except StackError as error:
        raise RowSkippedError(f"software is not known: {error}") from None
    return StackChoice(
        stack=stack,
        warning=(
            f"{row.file}: software of source {row['source']!r} is not known; "
            f"took {stack}, the default of {device.generation} devices"
        ),
    )


@cache
def stack_rules() -> tuple[StackRule, ...]:
    """The rules that come with the project, in order."""
    text = (resources.files("validation.published.rows") / "software_stacks.toml").read_text(encoding="utf-8")
    return tuple(_rule(entry) for entry in tomllib.loads(text)["rule"])


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
