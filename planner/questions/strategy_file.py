"""Strategies from a TOML file or from flags, checked key by key."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hardware.cluster import Cluster
from simdl.errors import SimdlError, StrategyError
from simdl.pipelines import pipeline
from simdl.step.strategy import Recompute, Strategy

KEYS = tuple(field.name for field in fields(Strategy))
"""Of a strategy; the last, ``splits``, is a table."""
LISTS = {"stages": "block counts", "shares": "microbatches per replica"}
TEXTS = {"schedule": "1f1b", "compression": "qsgd:7,512"}
PAIR = 2  # a layer and its split
MAY_BE_NONE = {"zero", "shard_degree", "etp"}
"""Numbers that may be 0."""


def load_strategy(path: str, cluster: Cluster) -> Strategy:
    """A strategy from a TOML file whose keys are the fields of :class:`simdl.step.strategy.Strategy`.

    Raises:
        SimdlError: the file cannot be read or is not TOML.
        StrategyError: unknown keys or wrong values; carries every fault.
    """
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SimdlError(f"{path}: cannot be read: {error}; expected a TOML file with a strategy") from None
    except tomllib.TOMLDecodeError as error:
        raise SimdlError(f"{path}: not TOML: {error}") from None
    return build_strategy(values, cluster, place=f"{path}: ")


def format_strategy_file(strategy: Strategy, *, title: str) -> str:
    """The TOML file that :func:`load_strategy` reads back as this strategy; ``title`` is a comment."""
    lines = [f"# {line}" for line in title.splitlines()]
    for key in KEYS[:-1]:
        value = getattr(strategy, key)
        if isinstance(value, tuple):
            if value:
                lines.append(f"{key} = {list(value)}")
        elif isinstance(value, bool):
            lines.append(f"{key} = {'true' if value else 'false'}")
        elif value or key != "compression":
            lines.append(f"{key} = {value}" if isinstance(value, int) else f'{key} = "{value}"')
    if strategy.splits:
        rows = (f"{json.dumps(layer)} = {json.dumps(split)}" for layer, split in strategy.splits)
        lines += ["", "[splits]", *rows]
    return "\n".join(lines) + "\n"


def strategy_json(strategy: Strategy) -> dict[str, Any]:
    """A strategy by field; the splits of layers by ``block/layer``."""
    return {**asdict(strategy), "splits": dict(strategy.splits)}


def build_strategy(values: Mapping[str, Any], cluster: Cluster, *, place: str = "") -> Strategy:
    """A strategy from values by field; dp takes the devices that the other degrees leave.

    Raises:
        StrategyError: unknown keys or wrong values; carries every fault.
    """
    faults = [f"{place}{fault}" for fault in _faults(values)]
    if faults:
        raise StrategyError(faults)
    chosen = dict(values)
    pipeline(chosen.get("schedule", Strategy().schedule))
    if "dp" not in chosen:
        used = chosen.get("tp", 1) * chosen.get("pp", 1) * chosen.get("cp", 1)
        used *= chosen.get("split_degree", 1)
        chosen["dp"] = max(1, cluster.devices // used)
    if "recompute" in chosen:
        chosen["recompute"] = Recompute(chosen["recompute"])
    for key in LISTS:
        if key in chosen:
            chosen[key] = tuple(chosen[key])
    if "splits" in chosen:
        chosen["splits"] = tuple(dict(chosen["splits"]).items())
    return Strategy(**chosen)


def _faults(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if key == "splits":
            yield from _split_faults(value)
        elif key not in KEYS:
            near = get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(KEYS)}"
            yield f"{key}: unknown key; {hint}"
        else:
            yield from _value_faults(key, value)


def _value_faults(key: str, value: Any) -> Iterator[str]:  # noqa: ANN401 - whatever a file holds
    if key in TEXTS:
        if not isinstance(value, str):
            yield f"{key}: found {value!r}; expected text such as {TEXTS[key]!r}"
    elif key == "recompute":
        if value not in set(Recompute):
            yield f"recompute: found {value!r}; expected one of {', '.join(Recompute)}"
    elif key == "sequence_parallel":
        if not isinstance(value, bool):
            yield f"sequence_parallel: found {value!r}; expected true or false"
    elif key in LISTS:
        if not isinstance(value, list | tuple) or not all(_is_count(item) and item > 0 for item in value):
            yield f"{key}: found {value!r}; expected a list of {LISTS[key]}, at least 1 each"
    elif not _is_count(value) or value < (0 if key in MAY_BE_NONE else 1):
        least = 0 if key in MAY_BE_NONE else 1
        yield f"{key}: found {value!r}; expected a whole number, at least {least}"


def _split_faults(value: Any) -> Iterator[str]:  # noqa: ANN401
    """What is wrong with a table of splits, or with the pairs that stand for one."""
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, list | tuple) or not all(map(_is_pair, pairs)):
        yield f'splits: found {value!r}; expected a table such as "conv1/conv1" = "spatial 2x2"'
        return
    names = [layer for layer, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    yield from (f"splits.{name}: given twice; expected once" for name in twice)


def _is_pair(value: Any) -> bool:  # noqa: ANN401
    """Whether this is a layer and its split, in words."""
    pair = isinstance(value, list | tuple) and len(value) == PAIR
    return pair and all(isinstance(word, str) for word in value)


def _is_count(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, int) and not isinstance(value, bool)
