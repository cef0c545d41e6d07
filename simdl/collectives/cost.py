"""Time of a collective on a cluster: the terms of an algorithm on the channels that its group finds.

For a buffer of n bytes, per protocol with latency factor f and bandwidth share b,

    time(n) = launch + sum_l f steps_l alpha_l + X_l (sent_l n / (b B_l)) + sum_l fill_l(n)
    fill_l(n) = sent_l n / (b B_l) (half_size_l / s_l)^g

where X is the maximum over levels for algorithms that stream through all of them and the sum for those that
do not, s_l is the longest uninterrupted message (all that is sent when streaming, one step otherwise) and g
in [0, 1] is the library's ramp. With g = 1 the fill is a constant per message, the half-power length of
Hockney (1994); with g < 1 it grows slowly, as libraries widen their channels. Either way time never falls
as the message grows. The arithmetic of a reduction reads two operands and writes one, gamma = 3 / memory
bandwidth, and overlaps when streaming.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from hardware.cluster import Cluster
from simdl.collectives.algorithms import ALGORITHMS, Algorithm, applicable, find_algorithm
from simdl.collectives.group import Group, extents
from simdl.collectives.library import Library, Protocol, load_library
from simdl.collectives.network import Channel, channels
from simdl.collectives.operation import Operation, bus_factor
from simdl.collectives.terms import Terms
from simdl.errors import CollectiveError
from workloads.amounts import as_number, is_table, power


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectiveCost:
    """What one collective takes.

    Attributes:
        time: [s].
        algorithm: name of the algorithm that was chosen or asked for.
        algorithm_bandwidth: [bytes/s] buffer over time.
        bus_bandwidth: [bytes/s] the same, scaled to compare with link bandwidth.
    """

    time: float
    algorithm: str
    algorithm_bandwidth: float
    bus_bandwidth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Time against buffer size of one algorithm with one protocol: fixed + rate n + fill n^growth."""

    algorithm: str
    fixed: float
    rate: float
    fill: float
    growth: float

    def time(self, n: float) -> float:
        """Time [s] of n > 0 bytes."""
        return self.fixed + self.rate * n + self.fill * power(n, self.growth)


def _fill(terms: Terms, channel: Channel, *, pipelined: bool, ramp: float) -> float:
    message = terms.sent if pipelined else terms.sent / terms.steps
    return terms.sent / channel.bandwidth * power(channel.half_size / message, ramp)


def build_curve(
    algorithm: Algorithm,
    protocol: Protocol,
    library: Library,
    *,
    terms: tuple[Terms, ...],
    found: tuple[Channel, ...],
    gamma: float,
) -> Curve:
    """The curve of one algorithm with one protocol on the channels of a group."""
    used = [(term, channel) for term, channel in zip(terms, found, strict=True) if term.sent > 0]
    streams = [term.sent / (channel.bandwidth * protocol.bandwidth) for term, channel in used]
    arithmetic = sum(term.reduced for term in terms) * gamma
    fill = sum(
        _fill(term, channel, pipelined=algorithm.pipelined, ramp=library.ramp) for term, channel in used
    )
    return Curve(
        algorithm=algorithm.name,
        fixed=library.launch
        + protocol.launch
        + protocol.latency * sum(term.steps * channel.latency for term, channel in used),
        rate=max(*streams, arithmetic) if algorithm.pipelined else sum(streams) + arithmetic,
        fill=fill if protocol.streams else 0.0,
        growth=1 - library.ramp,
    )


def _terms(algorithm: Algorithm, members: tuple[int, ...], library: Library) -> tuple[Terms, ...]:
    terms = algorithm.terms(members)
    if algorithm.name != "pairwise":
        return terms
    return tuple(replace(term, steps=term.steps / library.concurrent_peers) for term in terms)


def _channels_for(algorithm: Algorithm, found: tuple[Channel, ...], library: Library) -> tuple[Channel, ...]:
    """The channels with the innermost one as the algorithm's kernels or its switch use it."""
    inner = found[0]
    if algorithm.in_switch:
        switch = library.in_switch[inner.link]
        inner = replace(
            inner,
            latency=switch.latency,
            bandwidth=inner.peak * switch.efficiency,
            half_size=switch.half_size,
        )
    elif algorithm.name == "double_tree" and inner.link in library.tree:
        inner = replace(inner, bandwidth=min(inner.bandwidth, inner.peak * library.tree[inner.link]))
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


def least_time(found: tuple[Curve, ...], nbytes: float) -> float:
    """[s] by the fastest of some curves, for one size or a table; nothing takes no time."""
    if not isinstance(nbytes, np.ndarray):
        return min(curve.time(nbytes) for curve in found) if nbytes > 0 else 0.0
    every: Any = _all_curves(found).time(as_number(nbytes[..., None]))
    seconds: float = as_number(np.where(nbytes > 0, every.min(axis=-1), 0.0))
    return seconds


@lru_cache(maxsize=4096)
def _all_curves(found: tuple[Curve, ...]) -> Curve:
    """Curves of one library, whose ramp they share, as one with arrays for numbers."""
    fixed, rate, fill, growth = np.array([(c.fixed, c.rate, c.fill, c.growth) for c in found]).T
    return Curve(
        algorithm="", fixed=as_number(fixed), rate=as_number(rate), fill=as_number(fill), growth=growth[0]
    )


@lru_cache(maxsize=4096)
def curves(
    operation: Operation, group: Group, cluster: Cluster, library: str, algorithm: str
) -> tuple[Curve, ...]:
    """Every way in which the library may carry out the operation; ``algorithm`` restricts the choice.

    Raises:
        CollectiveError: unknown algorithm or library, or one that does not apply to the group.
    """
    profile, members = load_library(library), extents(group, cluster)
    found = channels(members, cluster)
    names = profile.algorithms.get(operation, ()) if algorithm == "auto" else (algorithm,)
    known = [find_algorithm(operation, name) for name in names]
    reduces = _switch_reduces(found, profile)
    chosen = [choice for choice in known if applicable(choice, members, switch_reduces=reduces)]
    if not chosen:
        raise _refusal(operation, group, cluster, library, algorithm)
    gamma = 3 / cluster.device.memory_bandwidth
    return tuple(
        build_curve(
            choice,
            protocol,
            profile,
            terms=_terms(choice, members, profile),
            found=_channels_for(
                choice,
                channels(members, cluster, stride=group.stride, pattern=choice.pattern),
                profile,
            ),
            gamma=gamma,
        )
        for choice in chosen
        for protocol in profile.protocols
        if protocol.streams or not choice.in_switch
    )


@lru_cache(maxsize=65536)
def collective_time(  # noqa: PLR0917 - the call every caller makes, in the order it is read
    operation: Operation,
    nbytes: float,
    group: Group,
    cluster: Cluster,
    library: str = "nccl",
    algorithm: str = "auto",
) -> CollectiveCost:
    """Time of a collective over a group, by the fastest algorithm and protocol of the library.

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
        return CollectiveCost(time=0.0, algorithm="none", algorithm_bandwidth=0.0, bus_bandwidth=0.0)
    time, name = min(
        (curve.time(nbytes), curve.algorithm)
        for curve in curves(operation, group, cluster, library, algorithm)
    )
    rate = nbytes / time
    return CollectiveCost(
        time=time,
        algorithm=name,
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
    if not is_table(nbytes):
        return collective_time(operation, nbytes, group, cluster, library, algorithm).time
    if group.size == 1:
        return nbytes * 0.0
    return least_time(curves(operation, group, cluster, library, algorithm), nbytes)
