"""Collective libraries as data: launch cost, protocols and the algorithms a library chooses among.

A protocol trades bandwidth for latency: NCCL's LL sends a flag with every 4 bytes, LL128 one per 120,
Simple none but it synchronises with fences. Profiles live in ``libraries/*.toml``; every number names its
source, as in hardware profiles.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from hardware.errors import ProfileError
from hardware.profile_reader import ProfileReader
from simdl.collectives.algorithms import ALGORITHMS
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
        processor_bandwidth: [bytes/s] that one multiprocessor of a device moves for it; 0 where a file names
            none, because engines or host threads move the bytes.
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
    processor_bandwidth: float
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
    return parse_library(name, text)


def parse_library(name: str, text: str) -> Library:
    """A library from the text of its profile.

    Raises:
        CollectiveError: one line per fault.
    """
    try:
        return _read(name, ProfileReader(text, f"libraries/{name}.toml"))
    except ProfileError as error:
        raise CollectiveError(str(error)) from None


def _read(name: str, reader: ProfileReader) -> Library:
    library = Library(
        name=name,
        description=reader.text("description"),
        launch=reader.number("launch", "time"),
        ramp=reader.number("ramp", "fraction"),
        concurrent_peers=reader.number("concurrent_peers", "number"),
        processor_bandwidth=(
            reader.number("processor_bandwidth", "bandwidth") if "processor_bandwidth" in reader.data else 0.0
        ),
        protocols=tuple(_protocol(reader, key) for key in reader.keys("protocols")),
        algorithms=_algorithms(reader),
        in_switch={
            link: InSwitch(
                latency=reader.number(f"in_switch.{link}.latency", "time"),
                efficiency=reader.number(f"in_switch.{link}.efficiency", "fraction"),
                half_size=reader.number(f"in_switch.{link}.half_size", "bytes"),
            )
            for link in reader.keys("in_switch")
        },
        tree={link: reader.number(f"tree.{link}", "fraction") for link in reader.keys("tree")},
    )
    reader.finish()
    return library


def _protocol(reader: ProfileReader, name: str) -> Protocol:
    path = f"protocols.{name}"
    reader.allow(f"{path}.streams")
    streams = reader.data["protocols"][name].get("streams")
    if not isinstance(streams, bool):
        reader.fault(f"{path}.streams", f"found {streams!r}; expected true or false")
    return Protocol(
        name=name,
        latency=reader.number(f"{path}.latency", "number"),
        bandwidth=reader.number(f"{path}.bandwidth", "fraction"),
        launch=reader.number(f"{path}.launch", "time"),
        streams=bool(streams),
    )


def _algorithms(reader: ProfileReader) -> dict[Operation, tuple[str, ...]]:
    found = {}
    for operation in Operation:
        path = f"algorithms.{operation.value}"
        reader.allow(path)
        names = reader.data.get("algorithms", {}).get(operation.value, [])
        unknown = [name for name in names if name not in ALGORITHMS[operation]]
        if not names or unknown:
            known = ", ".join(ALGORITHMS[operation])
            reader.fault(path, f"found {unknown or names}; expected some of {known}")
        found[operation] = tuple(names)
    return found
