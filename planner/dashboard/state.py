"""The state of a page as a query string, so that an address restores all of it.

    model=gpt3-175b&node=dgx-a100&count=128&a.tp=8&a.pp=8&a.recompute=full&b.tp=4

Keys of the question stand alone, as do those of money; those of strategy A and, where two are compared, B are
the fields of :class:`simdl.step.strategy.Strategy` after ``a.`` and ``b.``. B may run elsewhere: ``b.node``,
``b.count``, ``b.precision`` and ``b.stack``. A key that is missing or empty takes the default of the command
line: without ``dp`` a strategy takes the devices that its other degrees leave.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hardware.cluster import Cluster
from planner.console.format import format_splits
from planner.dashboard.catalog import Asked, Catalog, default_count
from planner.questions.strategy_file import KEYS
from simdl.errors import SimdlError
from simdl.step.strategy import Strategy
from simdl.step.strategy_values import PAIR

SIDES = ("a", "b")
TEXTS = {"schedule", "recompute", "compression", "savers"}
MAY_BE_NONE = {"zero", "shard_degree", "etp", "recompute_layers"}
"""Numbers that may be 0."""
LENGTH = 4000  # [characters] of a query
DIGITS = 9  # of a number
QUESTION = tuple(each.name for each in fields(Asked))
CRITERIA = ("price", "horizon", "dataset")
"""Of money and hours, as on the command line."""
HARDWARE = ("node", "count", "precision", "stack")
"""What B may run on instead, with the software."""
NUMBERS = ("count", "global_batch", "seq_len")
FLAGS = {"true": True, "false": False}

Values = Mapping[str, Any]
"""A strategy by field, as a strategy file would have it."""


class StateError(SimdlError):
    """A query is not the state of a page; carries every fault."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a page shows.

    Attributes:
        asked: the question.
        strategies: A and, where two are compared, B.
        hardware: what B runs on where that is not what A runs on, by key of ``HARDWARE``.
        criteria: price, horizon and data set in words, by key of ``CRITERIA``.
    """

    asked: Asked
    strategies: tuple[Values, ...]
    hardware: Values = field(default_factory=dict)
    criteria: Mapping[str, str] = field(default_factory=dict)


def start_state(catalog: Catalog) -> State:
    """What a page without a query shows: the first files the server was started with, else GPT-3."""
    model = catalog.model_files[0] if catalog.model_files else "gpt3-175b"
    if catalog.node_files:
        node = catalog.node_files[0]
        return State(asked=Asked(model=model, node=node, count=default_count(node)), strategies=({},))
    if catalog.model_files:
        return State(asked=Asked(model=model, node="dgx-a100", count=1), strategies=({},))
    values = {"tp": 8, "pp": 8, "micro_batch": 2, "recompute": "selective", "zero": 1}
    return State(
        asked=Asked(model=model, node="dgx-a100", count=128),
        strategies=({**values, "sequence_parallel": True},),
    )


def strategy_values(strategy: Strategy) -> Values:
    """A strategy by field."""
    return {name: getattr(strategy, name) for name in KEYS}


def changed_values(strategy: Strategy, cluster: Cluster) -> Values:
    """A strategy by field without what is the default, and without dp where it is what the others leave.

    tp is always there, so that a strategy B of defaults is one.
    """
    plain, every = Strategy(), strategy_values(strategy)
    left = {name: value for name, value in every.items() if value != getattr(plain, name)}
    if strategy.devices == cluster.devices:
        left.pop("dp", None)
    return left | {"tp": strategy.tp}


def format_state(state: State) -> str:
    """The query string of a state; defaults of the question are left out."""
    pairs: list[tuple[str, Any]] = [(key, getattr(state.asked, key)) for key in QUESTION]
    pairs += [(key, state.criteria.get(key)) for key in CRITERIA]
    pairs += [(f"{SIDES[1]}.{key}", state.hardware.get(key)) for key in HARDWARE]
    for side, values in zip(SIDES, state.strategies, strict=False):
        pairs += [(f"{side}.{key}", value) for key, value in values.items()]
    return urlencode([(key, _text(value)) for key, value in pairs if value not in {None, (), ""}])


def parse_state(query: str) -> State:
    """The state of a query string, with or without its question mark.

    Raises:
        StateError: too long, unknown or repeated keys, or values of the wrong kind.
    """
    if len(query) > LENGTH:
        raise StateError([f"query: {len(query):,} characters; expected at most {LENGTH:,}"])
    pairs = [(key, value) for key, value in parse_qsl(query.removeprefix("?")) if value]
    faults = [*_key_faults([key for key, _ in pairs])]
    values: dict[str, Any] = {}
    for key, text in pairs:
        try:
            values[key] = _value(key, text)
        except ValueError as error:
            faults.append(f"{key}: found {text!r}; expected {error}")
    if faults:
        raise StateError(faults)
    return State(
        asked=Asked(**{key: values[key] for key in QUESTION if key in values}),
        strategies=tuple(_strategies(values)),
        hardware={key: values[name] for key in HARDWARE if (name := f"{SIDES[1]}.{key}") in values},
        criteria={key: values[key] for key in CRITERIA if key in values},
    )


def _strategies(values: Values) -> Iterator[Values]:
    """A always, B where any of its keys is given."""
    for side in SIDES:
        found = {key[2:]: value for key, value in values.items() if key.startswith(f"{side}.")}
        if found or side == SIDES[0]:
            yield {key: value for key, value in found.items() if key not in HARDWARE}


def _key_faults(keys: list[str]) -> Iterator[str]:
    known = [*QUESTION, *CRITERIA, *(f"{side}.{key}" for side in SIDES for key in KEYS)]
    known += [f"{SIDES[1]}.{key}" for key in HARDWARE]
    for key in dict.fromkeys(keys):
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"expected {', '.join(QUESTION)}, or a.tp and such"
            )
            yield f"{key}: unknown key; {hint}"
        elif keys.count(key) > 1:
            yield f"{key}: given {keys.count(key)} times; expected once"
    yield from (f"{key}: missing" for key in ("model", "node", "count") if key not in keys)


def _value(key: str, text: str) -> Any:  # noqa: ANN401 - differs by key
    """The value of a key.

    Raises:
        ValueError: what would be accepted.
    """
    name = key.partition(".")[2] or key
    if name in NUMBERS:
        return _number(text, least=1)
    if name in {*QUESTION, *CRITERIA, *TEXTS}:
        return text
    if name == "sequence_parallel":
        if text not in FLAGS:
            raise ValueError("true or false")
        return FLAGS[text]
    if name in {"stages", "shares"}:
        return tuple(_number(part, least=1) for part in text.split("-"))
    if name == "splits":
        return _splits(text)
    return _number(text, least=0 if name in MAY_BE_NONE else 1)


def _splits(text: str) -> tuple[tuple[str, str], ...]:
    pairs = tuple(tuple(part.strip() for part in item.split(":")) for item in text.split(","))
    found = tuple((pair[0], pair[1]) for pair in pairs if len(pair) == PAIR and all(pair))
    if len(found) != len(pairs):
        raise ValueError("layers and their splits, such as conv1/conv1: spatial 2x2, fc/fc: row 4")
    return found


def _number(text: str, *, least: int) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > DIGITS or int(text) < least:
        raise ValueError(f"a whole number, at least {least}, of at most {DIGITS} digits")
    return int(text)


def _text(value: Any) -> str:  # noqa: ANN401 - differs by key
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple) and isinstance(value[0], tuple):
        return format_splits(value)
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    return str(value.value if isinstance(value, Enum) else value)
