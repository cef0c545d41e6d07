"""Collective libraries as data: launch cost, protocols and the algorithms a library chooses among.

A protocol trades bandwidth for latency: NCCL's LL sends a flag with every 4 bytes, LL128 one per 120,
Simple none but it synchronises with fences. Profiles live in ``libraries/*.toml``; every number names its
source, as in hardware profiles. A library whose choice is known by version is called with it,
``nccl:2.21.5``; without one its profile's default holds.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files

from hardware.errors import ProfileError
from hardware.profile_reader import ProfileReader
from simdl.communication.algorithms import ALGORITHMS
from simdl.communication.operation import Operation
from simdl.communication.tuning.constants import OLDEST, Version, find_version
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
        buffer: [bytes] that it keeps for every connection of a channel.
    """

    name: str
    latency: float
    bandwidth: float
    launch: float
    streams: bool
    buffer: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InSwitch:
    """Reduction inside the switch that one kind of link offers.

    Attributes:
        latency: [s] of one step, before the protocol's multiple.
        efficiency: share of what the link sustains.
    """

    latency: float
    efficiency: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Library:
    """A profile of a collective library.

    Attributes:
        name: file name without suffix, with the version where the name asked for one.
        description: one line.
        launch: [s] of a call that moves nothing, added to all others.
        least: [s] that the host takes to issue a call of one device: calls one after another take no less.
        least_more: [s] of each further device that one process serves.
        overlap: k of the ramp t w / (w + k t) of a message of w seconds on the wire, where t is the link's
            ramp time; 0 makes it the constant of Hockney.
        concurrent_peers: partners that an all-to-all serves at once.
        processor_bandwidth: [bytes/s] that one multiprocessor of a device moves for it; 0 where a file names
            none, because engines or host threads move the bytes.
        protocols: ways to move a message.
        algorithms: by operation, those that ``auto`` chooses among.
        in_switch: links whose switch the library lets reduce.
        tree: share of a node's bandwidth that the kernels of double trees sustain.
        channels: of a communicator, whose buffers a device holds; 0 where none lie there.
        version: release whose tuning model chooses; None where the fastest algorithm is taken.
    """

    name: str
    description: str
    launch: float
    least: float = 0.0
    least_more: float = 0.0
    overlap: float
    concurrent_peers: float
    processor_bandwidth: float
    protocols: tuple[Protocol, ...]
    algorithms: Mapping[Operation, tuple[str, ...]]
    in_switch: Mapping[str, InSwitch]
    tree: float = 1.0
    channels: float = 0.0
    version: Version | None = None

    def protocol(self, name: str) -> Protocol:
        """The protocol of a name that the library has."""
        return next(protocol for protocol in self.protocols if protocol.name == name)


USUAL = {"cdna": "rccl", "tpu": "xla", "cpu": "gloo", "knl": "mlsl"}  # by the start of a device's generation


def usual_library(generation: str) -> str:
    """The library that comes with devices of a generation; NCCL where no other is known."""
    return next((name for start, name in USUAL.items() if generation.startswith(start)), "nccl")


def library_names() -> list[str]:
    """Names of the registered libraries."""
    folder = files("simdl.communication").joinpath("libraries")
    names = [item.name for item in folder.iterdir()]
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


@lru_cache(maxsize=64)
def load_library(name: str) -> Library:
    """Read a registered library profile, ``NAME`` or ``NAME:VERSION``.

    Raises:
        CollectiveError: no such library or version, or its file breaks a rule.
    """
    file, colon, version = name.partition(":")
    known = library_names()
    if file not in known:
        near = difflib.get_close_matches(file.lower(), known, n=2, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(known)}"
        raise CollectiveError(f"unknown collective library {file!r}; {hint}")
    text = files("simdl.communication").joinpath("libraries", f"{file}.toml").read_text("utf-8")
    library = parse_library(file, text)
    if not colon:
        return library
    if library.version is None:
        raise CollectiveError(f"library {name!r}: {file} has no versions here; expected {file}")
    return replace(library, name=name, version=find_version(library.version.library, version))


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
        least=reader.number("least", "time", default=0.0),
        least_more=reader.number("least_more", "time", default=0.0),
        overlap=reader.number("overlap", "number"),
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
            )
            for link in reader.keys("in_switch")
        },
        tree=reader.number("tree", "fraction", default=1.0),
        channels=reader.number("channels", "count", default=0),
        version=_version(reader),
    )
    reader.finish()
    return library


def _version(reader: ProfileReader) -> Version | None:
    """The release of ``version = "nccl 2.27.7"``, whose tuning model chooses unless a call names another."""
    if "version" not in reader.data:
        return None
    model, _, text = reader.text("version").partition(" ")
    if model not in OLDEST:
        reader.fault(
            "version", f"found {model!r}; expected a tuning model and a release, such as 'nccl 2.27.7'"
        )
        return None
    try:
        return find_version(model, text)
    except CollectiveError as error:
        reader.fault("version", str(error))
        return None


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
        buffer=reader.number(f"{path}.buffer", "bytes", default=0.0),
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
