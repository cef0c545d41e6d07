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

from hardware.errors import UnitError
from hardware.units import parse_quantity
from simdl.collectives.algorithms import find_algorithm
from simdl.collectives.operation import Operation
from simdl.errors import CollectiveError


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
        latency: [s] of one step.
        efficiency: share of the link's peak that long messages sustain.
        half_size: [bytes] that reach half of it.
    """

    latency: float
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
        tree: by link inside a node, the share of its peak that the kernels of double trees sustain, where
            they rather than the link are the limit.
    """

    name: str
    description: str
    launch: float
    ramp: float
    concurrent_peers: float
    protocols: tuple[Protocol, ...]
    algorithms: Mapping[Operation, tuple[str, ...]]
    in_switch: Mapping[str, InSwitch]
    tree: Mapping[str, float]


def library_names() -> list[str]:
    """Names of the registered libraries."""
    folder = files("simdl.collectives").joinpath("libraries")
    names = [item.name for item in folder.iterdir()]
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


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

    def number(self, table: Mapping[str, Any], path: str, dimension: str = "") -> float:
        """The cited number at the last part of ``path``, in base units; 0 after noting a fault.

        Args:
            table: holds the entry ``{ value, source }``.
            path: dotted place in the file.
            dimension: ``time`` or ``bytes`` for a text with unit, empty for a bare number.
        """
        entry = table.get(path.rsplit(".", 1)[-1])
        if not isinstance(entry, Mapping) or entry.get("source") not in self.sources:
            return self._fault(path, entry, "{ value, source } with a declared source")
        self.used.add(entry["source"])
        value = entry.get("value")
        if not dimension:
            if isinstance(value, int | float) and value >= 0:
                return float(value)
            return self._fault(path, value, "a number of at least 0")
        try:
            return parse_quantity(str(value), dimension)
        except UnitError as error:
            return self._fault(path, value, str(error))

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
        launch=reader.number(document, "launch", "time"),
        ramp=reader.number(document, "ramp"),
        concurrent_peers=reader.number(document, "concurrent_peers"),
        protocols=tuple(
            _protocol(reader, key, table) for key, table in document.get("protocols", {}).items()
        ),
        algorithms=_algorithms(document.get("algorithms", {})),
        in_switch={
            link: InSwitch(
                latency=reader.number(table, f"in_switch.{link}.latency", "time"),
                efficiency=reader.number(table, f"in_switch.{link}.efficiency"),
                half_size=reader.number(table, f"in_switch.{link}.half_size", "bytes"),
            )
            for link, table in document.get("in_switch", {}).items()
        },
        tree={link: reader.number(document["tree"], f"tree.{link}") for link in document.get("tree", {})},
    )
    reader.finish()
    return library


def _protocol(reader: _Reader, name: str, table: Mapping[str, Any]) -> Protocol:
    path = f"protocols.{name}"
    return Protocol(
        name=name,
        latency=reader.number(table, f"{path}.latency"),
        bandwidth=reader.number(table, f"{path}.bandwidth"),
        launch=reader.number(table, f"{path}.launch", "time"),
        streams=bool(table.get("streams", True)),
    )


def _algorithms(table: Mapping[str, list[str]]) -> dict[Operation, tuple[str, ...]]:
    return {
        Operation(key): tuple(find_algorithm(Operation(key), name).name for name in names)
        for key, names in table.items()
    }
