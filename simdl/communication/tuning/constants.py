"""Constants of the tuning models by library version, from ``constants.csv``: name, scope, value and source.

A row holds from the release ``since`` to the release ``until``, the first and the last one read with its
value; between two releases that were read, the older value holds. Latencies are in us and bandwidths in
GB/s, as the sources write them.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from simdl.errors import CollectiveError

Number = tuple[int, ...]
Scope = tuple[str, ...]
SCOPE = ("library", "name", "algorithm", "protocol", "link", "generation", "nodes")
OLDEST = {"nccl": "2.5.7", "rccl": "2.21.5"}
GENERATIONS = ("pascal", "volta", "ampere", "hopper", "blackwell")


class Version(NamedTuple):
    """A release of a library: ``nccl`` and (2, 27, 7); a tuple, because it is looked up by the thousand."""

    library: str
    number: Number

    @property
    def text(self) -> str:
        """As releases are called, such as ``2.27.7``."""
        return ".".join(map(str, self.number))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    since: Number
    until: Number
    value: str


@cache
def parse_number(text: str) -> Number:
    """A release from its text."""
    return tuple(int(part) for part in text.split("."))


@cache
def _table() -> Mapping[Scope, tuple[_Entry, ...]]:
    text = files("simdl.communication.tuning").joinpath("constants.csv").read_text("utf-8")
    found: dict[Scope, list[_Entry]] = {}
    names, *rows = csv.reader(text.splitlines())
    columns = [names.index(name) for name in (*SCOPE, "since", "until", "value")]
    for row in rows:
        *scope, since, until, value = (row[column] for column in columns)
        entry = _Entry(since=parse_number(since), until=parse_number(until), value=value)
        found.setdefault(tuple(scope), []).append(entry)
    return {scope: tuple(sorted(rows, key=lambda row: row.since)) for scope, rows in found.items()}


@cache
def newest(library: str) -> Number:
    """The last release of a library whose constants were read."""
    return max(entry.until for scope, rows in _table().items() if scope[0] == library for entry in rows)


def find_version(library: str, text: str) -> Version:
    """A release of a library.

    Raises:
        CollectiveError: not a release between the oldest and the newest that are known.
    """
    oldest, last = parse_number(OLDEST[library]), newest(library)
    parts = text.split(".")
    number = tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
    if len(number) not in {2, 3} or not oldest[: len(number)] <= number <= last:
        known = f"a release from {OLDEST[library]} to {'.'.join(map(str, last))}"
        raise CollectiveError(f"unknown version {text!r} of {library}; expected {known}")
    return Version(library=library, number=number)


def nearest_version(library: str, number: Number) -> Version:
    """The release, or the nearest one whose constants are known."""
    return Version(library=library, number=min(max(number, parse_number(OLDEST[library])), newest(library)))


def _valid(rows: Sequence[_Entry], number: Number, last: Number) -> str | None:
    """The value of the last row that starts by a release, unless it ended before it."""
    started = [row for row in rows if row.since <= number]
    if not started:
        return None
    row = started[-1]
    ended = row is rows[-1] and row.until != last and number > row.until
    return None if ended else row.value


@lru_cache(maxsize=65536)
def constant(
    version: Version,
    name: str,
    *,
    algorithm: str = "",
    protocol: str = "",
    link: str = "",
    generation: str = "",
    nodes: int = 0,
) -> str | None:
    """The value that holds for a release in a scope, the most specific one first; None where there is none.

    A generation that the table does not name takes the value of the nearest older one.
    """
    last = newest(version.library)
    for generation_name in (*_older(generation), ""):
        for nodes_name in _node_names(nodes):
            for protocol_name in dict.fromkeys((protocol, "")):
                scope = (version.library, name, algorithm, protocol_name, link, generation_name, nodes_name)
                value = _valid(_table().get(scope, ()), version.number, last)
                if value is not None:
                    return value
    return None


@lru_cache(maxsize=65536)
def number_of(
    version: Version,
    name: str,
    default: float,
    *,
    algorithm: str = "",
    protocol: str = "",
    link: str = "",
    generation: str = "",
    nodes: int = 0,
) -> float:
    """The number that holds for a release in a scope, or a default where the model has none."""
    found = constant(
        version, name, algorithm=algorithm, protocol=protocol, link=link, generation=generation, nodes=nodes
    )
    return default if found is None else float(found)


def numbers_of(
    version: Version,
    name: str,
    *,
    algorithm: str = "",
    protocol: str = "",
    link: str = "",
    generation: str = "",
) -> tuple[float, ...]:
    """The numbers of a row that holds several; none where there is no row."""
    found = constant(version, name, algorithm=algorithm, protocol=protocol, link=link, generation=generation)
    return tuple(float(part) for part in found.split()) if found else ()


def _older(generation: str) -> tuple[str, ...]:
    if generation in GENERATIONS:
        return tuple(reversed(GENERATIONS[: GENERATIONS.index(generation) + 1]))
    return (generation,) if generation else ()


def _node_names(nodes: int) -> tuple[str, ...]:
    if nodes == 0:
        return ("",)
    if nodes == 1:
        return ("1", "1-2", "")
    return ("2", "1-2", "2+", "") if nodes == 2 else ("3+", "2+", "")
