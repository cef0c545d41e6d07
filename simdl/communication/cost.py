"""Time of a collective on a cluster: the terms of an algorithm on the channels that its group finds.

For a buffer of n bytes, per protocol with latency factor f and bandwidth share b,

    time(n) = launch + sum_l f steps_l alpha_l + X_l (w_l / b) + sum_l fill_l(n),   w_l = sent_l n / B_l
    fill_l(n) = t_l w_l / (w_l + k t_l)

where X is the maximum over levels for algorithms that stream through all of them and the sum for those that
do not, t_l is the ramp time of the link (once when streaming, per step otherwise) and k the library's
overlap. With k = 0 the fill is a constant per message, the half-power length of Hockney (1994); with k > 0
short messages fill less of it, as libraries cut them into fewer pieces. Time never falls as the message
grows. The arithmetic of a reduction reads two operands and writes one, gamma = 3 / memory bandwidth, and
overlaps when streaming. A call lasts at least as long as the host takes to issue it.

Which algorithm and protocol carry out a collective is what the library would choose
(``simdl.communication.tuning``), where its rules are known, and the fastest where they are not. The library
chooses by what it takes for granted of the machine, so its choice may be slower than another.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial, reduce

import numpy as np

from hardware.cluster import Cluster, MeasuredCollective
from simdl.communication.algorithms import ALGORITHMS, Algorithm, applicable, find_algorithm
from simdl.communication.curves import Curve, Fill, Ways, times_by_group
from simdl.communication.group import Group, extents
from simdl.communication.library import Library, Protocol, load_library
from simdl.communication.network import Channel, channels
from simdl.communication.operation import Operation, bus_factor
from simdl.communication.terms import Terms
from simdl.communication.tuning import nccl, rccl
from simdl.communication.tuning.choice import choose as choose_by_size
from simdl.communication.tuning.estimate import Estimate
from simdl.communication.tuning.sight import see
from simdl.errors import CollectiveError
from simdl.topology.patterns import Pattern
from workloads.amounts import as_number, is_table, larger


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectiveCost:
    """What one collective takes.

    Attributes:
        time: [s].
        device_time: [s] without waiting for the host to issue it.
        algorithm: name of the algorithm that was chosen or asked for.
        protocol: of the library, with which it moves its messages.
        algorithm_bandwidth: [bytes/s] buffer over time.
        bus_bandwidth: [bytes/s] the same, scaled to compare with link bandwidth.
    """

    time: float
    device_time: float
    algorithm: str
    protocol: str
    algorithm_bandwidth: float
    bus_bandwidth: float


def build_curve(
    algorithm: Algorithm,
    protocol: Protocol,
    library: Library,
    *,
    used: Sequence[tuple[Terms, Channel]],
    arithmetic: float,
) -> Curve:
    """The curve of one algorithm with one protocol.

    Args:
        algorithm: whether steps and levels stream.
        protocol: how a message is moved.
        library: overhead and ramp.
        used: what is sent on which channel; numbers or tables of them.
        arithmetic: [s/byte] of the reduction.
    """
    wires = [term.sent / channel.bandwidth for term, channel in used]
    streams = [wire / protocol.bandwidth for wire in wires]
    ramps = [channel.ramp if algorithm.pipelined else channel.ramp * term.steps for term, channel in used]
    return Curve(
        algorithm=algorithm.name,
        protocol=protocol.name,
        least=library.least,
        fixed=library.launch
        + protocol.launch
        + protocol.latency * sum(term.steps * channel.latency for term, channel in used),
        rate=reduce(larger, streams, arithmetic) if algorithm.pipelined else sum(streams) + arithmetic,
        fills=tuple(
            Fill(ceiling=ramp, knee=library.overlap * ramp / wire)
            for wire, ramp in zip(wires, ramps, strict=True)
        )
        if protocol.streams
        else (),
    )


def _terms(algorithm: Algorithm, members: tuple[int, ...], library: Library) -> tuple[Terms, ...]:
    terms = algorithm.terms(members)
    if algorithm.name != "pairwise":
        return terms
    return tuple(replace(term, steps=term.steps / library.concurrent_peers) for term in terms)


def channels_for(
    algorithm: Algorithm, found: tuple[Channel, ...], library: Library, *, across: bool
) -> tuple[Channel, ...]:
    """The channels with the innermost one as the algorithm's kernels or its switch use it.

    Kernels of trees, and of a switch whose nodes are joined by trees (``across``), sustain a share of it.
    """
    inner = found[0]
    if algorithm.in_switch:
        switch = library.in_switch[inner.link]
        share = switch.efficiency * (library.tree if across else 1.0)
        inner = replace(inner, latency=switch.latency, bandwidth=inner.bandwidth * share)
    elif algorithm.name == "double_tree":
        inner = replace(inner, bandwidth=inner.bandwidth * library.tree)
    return (inner, *found[1:])


def applicable_algorithms(
    operation: Operation, group: Group, cluster: Cluster, library: str = "nccl"
) -> tuple[str, ...]:
    """Names of the algorithms that can carry out the operation for the group, chosen by the library or not.

    Raises:
        CollectiveError: unknown library, or the group does not fit.
    """
    profile, members = load_library(library), extents(group, cluster)
    reduces = _switch_reduces(channels(members, cluster), profile)
    return tuple(
        name
        for name, algorithm in ALGORITHMS[operation].items()
        if applicable(algorithm, members, switch_reduces=reduces)
    )


def _switch_reduces(found: tuple[Channel, ...], library: Library) -> bool:
    return found[0].switched and found[0].link in library.in_switch


def _refusal(
    operation: Operation, group: Group, cluster: Cluster, library: str, algorithm: str
) -> CollectiveError:
    """Why no curve was found, with what would apply."""
    applies = ", ".join(applicable_algorithms(operation, group, cluster, library))
    return CollectiveError(
        f"{algorithm} {operation.value} does not apply to {group.size} ranks at stride {group.stride} on "
        f"{cluster.name} with {library}; expected one of {applies}"
    )


def curves(
    operation: Operation, group: Group, cluster: Cluster, library: str, algorithm: str = "auto"
) -> Mapping[tuple[str, str], Curve]:
    """Every way in which the library may carry out the operation, by algorithm and protocol.

    ``algorithm`` restricts them.

    Raises:
        CollectiveError: unknown algorithm or library, or one that does not apply to the group.
    """
    found = _builders(operation, *_place(group, cluster), cluster, library, algorithm)
    if not found:
        raise _refusal(operation, group, cluster, library, algorithm)
    return {way: build() for way, build in found.items()}


def _place(group: Group, cluster: Cluster) -> tuple[tuple[int, ...], int]:
    """Members of a group per level, and their distance where links tell it: all that its prices hang on."""
    told = any(level.wiring is not None or level.topology == "torus" for level in cluster.levels)
    return extents(group, cluster), group.stride if told else 1


@lru_cache(maxsize=4096)
def _builders(  # noqa: PLR0917 - what names a price
    operation: Operation,
    members: tuple[int, ...],
    stride: int,
    cluster: Cluster,
    library: str,
    algorithm: str,
) -> Mapping[tuple[str, str], Callable[[], Curve]]:
    """What builds each of :func:`curves`, by what they hang on; none where no algorithm applies."""
    profile = load_library(library)
    found = _channels(members, cluster, 1, Pattern.RING)
    names = profile.algorithms.get(operation, ()) if algorithm == "auto" else (algorithm,)
    known = [find_algorithm(operation, name) for name in names]
    reduces = _switch_reduces(found, profile)
    built: dict[tuple[str, str], Callable[[], Curve]] = {}
    for choice in known:
        if not applicable(choice, members, switch_reduces=reduces):
            continue
        terms = _terms(choice, members, profile)
        level_channels = _channels(members, cluster, stride, choice.pattern)
        used = _used(choice, terms, level_channels, profile)
        arithmetic = sum(term.reduced for term in terms) * 3 / cluster.device.memory_bandwidth
        for protocol in profile.protocols:
            if protocol.streams or not choice.in_switch:
                built[choice.name, protocol.name] = partial(
                    build_curve, choice, protocol, profile, used=used, arithmetic=arithmetic
                )
    measured = cluster.node.collectives.get(operation.value)
    node = (cluster.node.devices, *(1 for _ in members[1:]))
    if measured is None or algorithm != "auto" or members != node:
        return built
    return {way: partial(_measured_curve, build, measured) for way, build in built.items()}


def _measured_curve(build: Callable[[], Curve], measured: MeasuredCollective) -> Curve:
    """What the operation took among all devices of a node, whichever way it went."""
    return replace(build(), fixed=measured.latency, rate=1 / measured.bandwidth, fills=())


@lru_cache(maxsize=4096)
def _channels(
    members: tuple[int, ...], cluster: Cluster, stride: int, pattern: Pattern
) -> tuple[Channel, ...]:
    return channels(members, cluster, stride=stride, pattern=pattern)


@lru_cache(maxsize=4096)
def ways(operation: Operation, group: Group, cluster: Cluster, library: str, algorithm: str) -> Ways:
    """The ways of :func:`curves` in the order of sizes in which the library takes them.

    Raises:
        CollectiveError: unknown algorithm or library, or one that does not apply to the group.
    """
    found = _ways(operation, *_place(group, cluster), cluster, library, algorithm)
    if not found.curves:
        raise _refusal(operation, group, cluster, library, algorithm)
    return found


@lru_cache(maxsize=4096)
def _ways(  # noqa: PLR0917 - what names a price
    operation: Operation,
    members: tuple[int, ...],
    stride: int,
    cluster: Cluster,
    library: str,
    algorithm: str,
) -> Ways:
    """:func:`ways`, by what they hang on; of no curve where no algorithm applies."""
    found = _builders(operation, members, stride, cluster, library, algorithm)
    profile = load_library(library)
    reduces = _switch_reduces(_channels(members, cluster, 1, Pattern.RING), profile)
    return _in_order(found, candidates(operation, members, cluster, profile, reduces=reduces))


def candidates(
    operation: Operation, members: tuple[int, ...], cluster: Cluster, library: Library, *, reduces: bool
) -> tuple[Estimate, ...]:
    """What the library's tuning model expects of its algorithms; none where it has no model of a machine."""
    version = library.version
    if version is None:
        return ()
    if operation is Operation.REDUCE_SCATTER:  # a ring of as many steps: no model tells them apart
        operation = Operation.ALL_GATHER
    model = rccl.estimates if version.library == "rccl" else nccl.estimates
    return model(operation, see(members, cluster, version, reduces=reduces), version)


def _in_order(builders: Mapping[tuple[str, str], Callable[[], Curve]], expected: Sequence[Estimate]) -> Ways:
    """The curves that the library takes in the order of sizes, or all that may be built."""
    offered = tuple(each for each in expected if (each.algorithm, each.protocol) in builders)
    if not offered:
        return Ways(curves=tuple(build() for build in builders.values()), ends=None)
    choice = choose_by_size(offered)
    taken = [(offered[index].algorithm, offered[index].protocol) for index in choice.taken]
    return Ways(curves=tuple(builders[way]() for way in taken), ends=choice.starts[1:])


def _used(
    algorithm: Algorithm, terms: tuple[Terms, ...], found: tuple[Channel, ...], library: Library
) -> list[tuple[Terms, Channel]]:
    """What the algorithm sends, on the channels that it uses."""
    across = any(term.sent > 0 for term in terms[1:])
    both = zip(terms, channels_for(algorithm, found, library, across=across), strict=True)
    return [(term, channel) for term, channel in both if term.sent > 0]


@lru_cache(maxsize=65536)
def collective_time(  # noqa: PLR0917 - the call every caller makes, in the order it is read
    operation: Operation,
    nbytes: float,
    group: Group,
    cluster: Cluster,
    library: str = "nccl",
    algorithm: str = "auto",
) -> CollectiveCost:
    """Time of a collective over a group, by the algorithm and protocol that the library takes.

    Args:
        operation: what is communicated.
        nbytes: [bytes] as nccl-tests counts: the entire buffer; for all-gather the gathered output, for
            reduce-scatter the input, for all-to-all what one rank sends.
        group: the ranks.
        cluster: the machine.
        library: registered collective library.
        algorithm: ``auto`` or a name the operation knows.

    Raises:
        CollectiveError: a negative size, an unknown name, or an algorithm that does not apply.
    """
    if nbytes < 0:
        raise CollectiveError(f"{operation.value} of {nbytes} bytes: expected a size of at least 0")
    if group.size == 1 or nbytes == 0:
        return CollectiveCost(
            time=0.0,
            device_time=0.0,
            algorithm="none",
            protocol="none",
            algorithm_bandwidth=0.0,
            bus_bandwidth=0.0,
        )
    curve = ways(operation, group, cluster, library, algorithm).at(nbytes)
    time = curve.time(nbytes)
    rate = nbytes / time
    return CollectiveCost(
        time=time,
        device_time=curve.device_time(nbytes),
        algorithm=curve.algorithm,
        protocol=curve.protocol,
        algorithm_bandwidth=rate,
        bus_bandwidth=rate * bus_factor(operation, group.size),
    )


def collective_seconds(  # noqa: PLR0917 - the same call
    operation: Operation,
    nbytes: float,
    group: Group,
    cluster: Cluster,
    library: str = "nccl",
    algorithm: str = "auto",
) -> float:
    """[s] of :func:`collective_time`, or of many messages of one group at once."""
    if is_table(group.size, group.stride):
        return _seconds_by_group(operation, nbytes, group, cluster, library, algorithm)
    if not is_table(nbytes):
        return collective_time(operation, nbytes, group, cluster, library, algorithm).time
    if group.size == 1:
        return nbytes * 0.0
    return ways(operation, group, cluster, library, algorithm).time(nbytes)


def _seconds_by_group(  # noqa: PLR0917 - the same call
    operation: Operation, nbytes: float, group: Group, cluster: Cluster, library: str, algorithm: str
) -> float:
    """[s] of messages of which each has a group of its own: every distinct group is looked at once."""
    sizes, strides, amounts = np.broadcast_arrays(group.size, group.stride, nbytes)
    several = sizes > 1
    code = sizes[several] * (cluster.devices + 1) + strides[several]
    distinct, place = np.unique(code, return_inverse=True)
    found = [
        ways(operation, Group(size=size, stride=stride), cluster, library, algorithm)
        for size, stride in (divmod(each, cluster.devices + 1) for each in distinct.tolist())
    ]
    times = np.zeros(sizes.shape)
    if found:
        times[several] = times_by_group(found, place, amounts[several].astype(np.float64))
    seconds: float = as_number(times)
    return seconds
