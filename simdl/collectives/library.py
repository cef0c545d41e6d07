"""Collective libraries as data: launch cost, protocols and the algorithms a library chooses among.

A protocol trades bandwidth for latency: NCCL's LL sends a flag with every 4 bytes, LL128 one per 120,
Simple none but it synchronises with fences. Profiles live in ``libraries/*.toml``; every number names its
source, as in hardware profiles.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from simdl.collectives.algorithms import find_algorithm
from simdl.collectives.operation import Operation
from simdl.errors import CollectiveError

SECONDS = {"us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How a library moves one message.

    Attributes:
        name: as the library calls it.
        latency: multiple of the link's latency that one step takes.
        bandwidth: share of the link's sustained bandwidth.
        launch: [s] in addition to the library's launch.
        streams: long messages ramp up (half_size of the link counts); short ones leave at once.
    """

    name: str
    latency: float
    bandwidth: float
    launch: float
    streams: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InSwitch:
    """Reduction inside the switch that one kind of link offers.

    Attributes:
        efficiency: share of the link's peak that long messages sustain.
        half_size: [bytes] that reach half of it.
    """

    efficiency: float
    half_size: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Library:
    """A profile of a collective library.

    Attributes:
        name: file name without suffix.
        description: one line.
        launch: [s] of a call that moves nothing.
        ramp: exponent g of the bandwidth ramp, time = s/B (1 + (half_size/s)^g).
        concurrent_peers: partners that an all-to-all serves at once.
        protocols: ways to move a message; the fastest is taken.
        algorithms: by operation, those that ``auto`` chooses among.
        in_switch: links whose switch the library lets reduce.
    """

    name: str
    description: str
    launch: float
    ramp: float
    concurrent_peers: float
    protocols: tuple[Protocol, ...]
    algorithms: Mapping[Operation, tuple[str, ...]]
    in_switch: Mapping[str, InSwitch]


def library_names() -> list[str]:
    """Names of the registered libraries."""
    folder = files("simdl.collectives").joinpath("libraries")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


@lru_cache(maxsize=64)
def load_library(name: str) -> Library:
    """Read a registered library profile.

    Raises:
        CollectiveError: no such library, or its file breaks a rule.
    """
    known = library_names()
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(known)}"
        raise CollectiveError(f"unknown collective library {name!r}; {hint}")
    text = files("simdl.collectives").joinpath("libraries", f"{name}.toml").read_text("utf-8")
    return parse_library(name, tomllib.loads(text))


class _Reader:
    """Reads cited numbers of one file and remembers faults and the sources used."""

    def __init__(self, file: str, sources: Mapping[str, Any]) -> None:
        self.file = file
        self.sources = sources
        self.used: set[str] = set()
        self.faults: list[str] = []

    def number(self, table: Mapping[str, Any], path: str) -> float:
        """The cited number at the last part of ``path``; 0 after noting a fault."""
        entry = table.get(path.rsplit(".", 1)[-1])
        if not isinstance(entry, Mapping) or entry.get("source") not in self.sources:
            return self._fault(path, entry, "{ value, source } with a declared source")
        self.used.add(entry["source"])
        value = entry.get("value")
        if isinstance(value, int | float) and value >= 0:
            return float(value)
        if isinstance(value, str):
            amount, _, unit = value.partition(" ")
            if unit in SECONDS:
                return float(amount) * SECONDS[unit]
            if unit in {"B", "KiB", "MiB"}:
                return float(amount) * {"B": 1, "KiB": 2**10, "MiB": 2**20}[unit]
        return self._fault(path, value, "a number, a time such as '5 us' or a size such as '64 KiB'")

    def _fault(self, path: str, found: object, expected: str) -> float:
        self.faults.append(f"libraries/{self.file}.toml: {path}: found {found!r}; expected {expected}")
        return 0.0

    def finish(self) -> None:
        """Raise what was noted, unused sources included."""
        for key in sorted(set(self.sources) - self.used):
            self.faults.append(f"libraries/{self.file}.toml: sources.{key}: no number uses it")
        if self.faults:
            raise CollectiveError("\n".join(self.faults))


def parse_library(name: str, document: Mapping[str, Any]) -> Library:
    """A library from its parsed file.

    Raises:
        CollectiveError: one line per fault.
    """
    reader = _Reader(name, document.get("sources", {}))
    library = Library(
        name=name,
        description=str(document.get("description", "")),
        launch=reader.number(document, "launch"),
        ramp=reader.number(document, "ramp"),
        concurrent_peers=reader.number(document, "concurrent_peers"),
        protocols=tuple(
            _protocol(reader, key, table) for key, table in document.get("protocols", {}).items()
        ),
        algorithms=_algorithms(document.get("algorithms", {})),
        in_switch={
            link: InSwitch(
                efficiency=reader.number(table, f"in_switch.{link}.efficiency"),
                half_size=reader.number(table, f"in_switch.{link}.half_size"),
            )
            for link, table in document.get("in_switch", {}).items()
        },
    )
    reader.finish()
    return library


def _protocol(reader: _Reader, name: str, table: Mapping[str, Any]) -> Protocol:
    path = f"protocols.{name}"
    return Protocol(
        name=name,
        latency=reader.number(table, f"{path}.latency"),
        bandwidth=reader.number(table, f"{path}.bandwidth"),
        launch=reader.number(table, f"{path}.launch"),
        streams=bool(table.get("streams", True)),
    )


def _algorithms(table: Mapping[str, list[str]]) -> dict[Operation, tuple[str, ...]]:
    return {
        Operation(key): tuple(find_algorithm(Operation(key), name).name for name in names)
        for key, names in table.items()
    }
