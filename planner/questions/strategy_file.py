"""Strategies from a TOML file or from flags, checked key by key."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from difflib import get_close_matches
from typing import Any

from hardware.cluster import Cluster
from readers.errors import InputError
from readers.toml import read_toml
from simdl.errors import SimdlError, StrategyError
from simdl.step.strategy import RULES, Strategy
from simdl.step.strategy_values import faults

KEYS = tuple(field.name for field in fields(Strategy))
"""Of a strategy; the last, ``splits``, is a table."""
OPTIONAL = {"compression", "savers", "recompute_layers"}
"""Left out of a file where they say nothing."""


def load_strategy(path: str, cluster: Cluster) -> Strategy:
    """A strategy from a TOML file whose keys are the fields of :class:`simdl.step.strategy.Strategy`.

    Raises:
        SimdlError: the file cannot be read or is not TOML.
        StrategyError: unknown keys or wrong values; carries every fault.
    """
    return build_strategy(read_strategy_values(path), cluster, place=f"{path}: ")


def read_strategy_values(path: str) -> dict[str, Any]:
    """What a strategy file says, by key, not looked at yet.

    Raises:
        SimdlError: the file cannot be read or is not TOML.
    """
    try:
        return read_toml(path, "a TOML file with a strategy")
    except InputError as error:
        raise SimdlError(str(error)) from None


def format_strategy_file(strategy: Strategy, *, title: str) -> str:
    """The TOML file that :func:`load_strategy` reads back as this strategy; ``title`` is a comment."""
    lines = [f"# {line}" for line in title.splitlines()]
    for key in KEYS[:-1]:
        value = getattr(strategy, key)
        if value or (not isinstance(value, tuple) and key not in OPTIONAL):
            lines.append(_line(key, value))
    if strategy.splits:
        rows = (f"{json.dumps(layer)} = {json.dumps(split)}" for layer, split in strategy.splits)
        lines += ["", "[splits]", *rows]
    return "\n".join(lines) + "\n"


def format_changes(strategy: Strategy, before: Strategy) -> list[str]:
    """The lines of a strategy file for what a strategy changes of another one, splits of layers aside."""
    changed = [key for key in KEYS[:-1] if getattr(strategy, key) != getattr(before, key)]
    return [_line(key, getattr(strategy, key)) for key in changed]


def _line(key: str, value: str | bool | int | tuple[int, ...]) -> str:
    """One key of a strategy file."""
    if isinstance(value, bool):
        return f"{key} = {'true' if value else 'false'}"
    if isinstance(value, tuple):
        return f"{key} = {list(value)}"
    return f"{key} = {value}" if isinstance(value, int) else f'{key} = "{value}"'


def strategy_json(strategy: Strategy) -> dict[str, Any]:
    """A strategy by field; the splits of layers by ``block/layer``."""
    return {**asdict(strategy), "splits": dict(strategy.splits)}


def build_strategy(values: Mapping[str, Any], cluster: Cluster, *, place: str = "") -> Strategy:
    """A strategy from values by field; dp takes the devices that the other degrees leave.

    Raises:
        StrategyError: unknown keys or wrong values; carries every fault.
    """
    found = [*_unknown(values), *faults({key: values[key] for key in KEYS if key in values}, RULES)]
    if found:
        raise StrategyError(f"{place}{fault}" for fault in found)
    chosen = dict(values)
    if "dp" not in chosen:
        used = chosen.get("tp", 1) * chosen.get("pp", 1) * chosen.get("cp", 1)
        used *= chosen.get("split_degree", 1)
        chosen["dp"] = max(1, cluster.devices // used)
    return Strategy(**chosen)


def _unknown(values: Mapping[str, Any]) -> Iterator[str]:
    for key in values:
        if key not in RULES:
            near = get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(KEYS)}"
            yield f"{key}: unknown key; {hint}"
