"""NCCL's tuning model: latency and bandwidth that the library expects of every algorithm and protocol.

Steps 1 to 6 of its ``ncclTopoTuneModel`` (NVIDIA/nccl, ``src/graph/tuning.cc``): channels from the topology
search, bus bandwidth with the caps of the device's generation, algorithm bandwidth, and latency from a base
and the hops.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from math import log2

from simdl.communication.operation import Operation
from simdl.communication.tuning.channels import Channels, ladder, ring_channels, widest
from simdl.communication.tuning.constants import GENERATIONS, Version, constant, number_of, numbers_of
from simdl.communication.tuning.estimate import Estimate
from simdl.communication.tuning.sight import Sight

PROTOCOLS = ("ll", "ll128", "simple")
NVLS_SINCE, NVLS_TREE_SINCE, NVLS_BY_EFFICIENCY = (2, 17), (2, 18), (2, 28)
NETWORK_BASED = (2, 18)  # from here on the post overhead floors the hops inside a node
ALONE_SINCE = (2, 23)  # one rank per node: the tree's network latency for every algorithm
PER_SIZE = 4096  # bytes per rank from which rings pay the plateau, before 2.18
PER_CHANNEL = 64  # bytes per rank and channel from which they pay it since
PAIR_CHANNEL = 14.0  # GB/s of a network that one channel of a pair serves
UNBOUND = float("inf")


def ring_steps(operation: Operation, ranks: int) -> int:
    """Steps of a ring."""
    if operation is Operation.ALL_REDUCE:
        return 2 * (ranks - 1)
    return ranks - 1 if operation in {Operation.ALL_GATHER, Operation.REDUCE_SCATTER} else ranks


@lru_cache(maxsize=4096)
def estimates(operation: Operation, sight: Sight, version: Version) -> tuple[Estimate, ...]:
    """Every candidate of the library for an operation."""
    if sight.generation not in GENERATIONS:
        return ()
    if operation is Operation.ALL_TO_ALL:
        return pair_estimates(sight, version)
    found = ring_channels(version, sight)
    enabled = [protocol for protocol in PROTOCOLS if protocol != "ll128" or _has_ll128(sight, version)]
    candidates = [_ring(operation, protocol, found, sight, version) for protocol in enabled]
    if operation is Operation.ALL_REDUCE:
        candidates += [_tree(protocol, found, sight, version) for protocol in enabled]
        candidates += _switch(sight, version)
    return tuple(candidates)


def pair_estimates(sight: Sight, version: Version) -> tuple[Estimate, ...]:
    """All-to-all: pairs of messages, by LL up to a threshold per channel of a pair."""
    per_channel = number_of(version, "pair_ll_bytes", 16384)
    short = per_channel * pair_channels(sight) * sight.ranks
    rate = sight.inside if sight.nodes == 1 else sight.card * sight.cards / sight.per_node
    line = Estimate(algorithm="pairwise", protocol="ll", latency=0.0, bandwidth=max(rate, 1e-3))
    return replace(line, longest=short), replace(line, protocol="simple", latency=1.0)


def pair_channels(sight: Sight) -> int:
    """Channels of one pair of ranks (``channel_count`` of the sources)."""
    if sight.nodes == 1:
        return 2
    return max(1, round(sight.cards / sight.per_node), int(sight.card / PAIR_CHANNEL))


def _has_ll128(sight: Sight, version: Version) -> bool:
    """LL128 needs NVLink inside the node and a generation that the release allows."""
    allowed = constant(version, "ll128_generations", protocol="ll128") or ""
    return sight.kind == "nvlink" and sight.generation in allowed.split()


def _cap_ll(sight: Sight, version: Version) -> float:
    """[GB/s] of LL; across nodes the sources read it by the host's processor, here one that is not AMD's."""
    scope = sight.generation if sight.nodes == 1 else "intel"
    return number_of(version, "cap_ll", UNBOUND, protocol="ll", generation=scope, nodes=sight.nodes)


def _cap(algorithm: str, protocol: str, sight: Sight, version: Version) -> float:
    return number_of(
        version,
        "cap_channel",
        UNBOUND,
        algorithm=algorithm,
        protocol=protocol,
        generation=sight.generation,
        nodes=sight.nodes,
    )


def _total(bandwidth: float, sight: Sight, version: Version) -> float:
    return min(bandwidth, number_of(version, "cap_total", UNBOUND, generation=sight.generation))


def _ring(operation: Operation, protocol: str, found: Channels, sight: Sight, version: Version) -> Estimate:
    bandwidth = _total(found.bandwidth, sight, version)
    share = (
        number_of(version, "bus_share", 1.0, algorithm="ring", protocol=protocol)
        if protocol != "simple"
        else 1.0
    )
    if protocol == "ll128" and sight.per_node == 1:
        share = number_of(version, "bus_share_alone", share, algorithm="ring", protocol=protocol)
    bandwidth *= share
    if protocol == "ll":
        bandwidth = min(bandwidth, _cap_ll(sight, version))
    if protocol == "ll128":
        bandwidth = min(bandwidth, found.count * _cap("ring", "ll128", sight, version))
    steps = ring_steps(operation, sight.ranks)
    plateau = 1.0
    if protocol == "simple" and operation is Operation.ALL_REDUCE and sight.nodes > 1:
        plateau = number_of(
            version, "plateau", 1.0, algorithm="ring", protocol="simple", generation=sight.generation
        )
    per_rank = PER_SIZE if version.number < NETWORK_BASED else PER_CHANNEL * found.count
    return Estimate(
        algorithm="chain" if operation is Operation.BROADCAST else "ring",
        protocol=protocol,
        latency=_ring_latency(operation, protocol, sight, version),
        bandwidth=bandwidth * sight.ranks / steps,
        plateau=plateau,
        plateau_from=per_rank * sight.ranks,
    )


def _hop(algorithm: str, protocol: str, link: str, version: Version) -> float:
    return number_of(version, "hop_latency", 0.0, algorithm=algorithm, protocol=protocol, link=link)


def _inner_link(sight: Sight) -> str:
    return "nvlink" if sight.kind == "nvlink" else "pcie"


def _inner_hop(algorithm: str, protocol: str, sight: Sight, version: Version) -> float:
    hop = _hop(algorithm, protocol, _inner_link(sight), version)
    if sight.nodes > 1 and protocol == "ll":
        hop *= number_of(version, "inside_factor", 1.0, protocol="ll")
    return hop


def _outer_hop(algorithm: str, protocol: str, sight: Sight, version: Version) -> float:
    alone = sight.per_node == 1 and version.number >= ALONE_SINCE
    return _hop("tree" if alone and algorithm == "ring" else algorithm, protocol, "network", version)


def _base(algorithm: str, protocol: str, version: Version) -> float:
    return number_of(version, "base_latency", 0.0, algorithm=algorithm, protocol=protocol)


def _ring_latency(operation: Operation, protocol: str, sight: Sight, version: Version) -> float:
    base, steps = _base("ring", protocol, version), ring_steps(operation, sight.ranks)
    inner = _inner_hop("ring", protocol, sight, version)
    if sight.nodes == 1:
        return base + steps * inner
    outer = _outer_hop("ring", protocol, sight, version)
    if operation is Operation.BROADCAST:
        return base + steps * max(inner, outer)
    floor = number_of(version, "post_overhead", 0.0, algorithm="ring", protocol=protocol)
    crossings = sight.nodes - 1
    if operation is Operation.ALL_REDUCE:
        every = constant(version, "outside_steps", algorithm="ring") == "nodes"
        crossings = 2 * (sight.nodes if every else crossings)
    return base + (steps - crossings) * max(inner, floor) + crossings * outer


def _tree(protocol: str, found: Channels, sight: Sight, version: Version) -> Estimate:
    bandwidth = _total(found.bandwidth, sight, version)
    bandwidth *= number_of(version, "bus_share", 1.0, algorithm="tree")
    bandwidth = min(
        bandwidth,
        found.count * _cap("tree", "", sight, version),
        number_of(version, "cap_total", UNBOUND, algorithm="tree", nodes=sight.nodes),
    )
    bandwidth *= number_of(
        version, "further_share", 1.0, algorithm="tree", protocol=protocol, nodes=sight.nodes
    )
    if protocol == "ll":
        bandwidth = min(bandwidth, _cap_ll(sight, version))
    if protocol == "ll128":
        bandwidth = min(bandwidth, found.count * _cap("tree", "ll128", sight, version))
    inner = _inner_hop("tree", protocol, sight, version)
    latency = _base("tree", protocol, version) + 2 * (sight.per_node - 1) * inner
    if sight.nodes > 1:
        latency += 2 * int(log2(sight.nodes)) * _outer_hop("tree", protocol, sight, version)
    return Estimate(
        algorithm="double_tree",
        protocol=protocol,
        latency=latency,
        bandwidth=bandwidth / 2,
        correction=numbers_of(version, "size_correction", algorithm="tree", protocol=protocol),
    )


def _switch(sight: Sight, version: Version) -> Iterator[Estimate]:
    """Reduction in the switch: NVLS on one node, trees of it over several."""
    since = NVLS_SINCE if sight.nodes == 1 else NVLS_TREE_SINCE
    if not sight.switched or sight.per_node == 1 or version.number < since:
        return
    algorithm = "nvls" if sight.nodes == 1 else "nvls_tree"
    heads = sight.per_node
    inner = widest(ladder(version, sight, "inside"), sight.inside, count=heads).rate
    outer = UNBOUND
    if sight.nodes > 1:
        outer = widest(ladder(version, sight, "outside"), sight.card * sight.cards, count=heads).rate
    if version.number >= NVLS_BY_EFFICIENCY:
        efficiency = number_of(
            version,
            "switch_efficiency",
            1.0,
            algorithm="nvls",
            protocol="simple",
            generation=sight.generation,
        )
        rate = min(
            inner * efficiency * 2 * (heads - 1) / heads,
            outer * (2 if sight.nodes == 2 else 1),
            _cap(algorithm, "simple", sight, version) if sight.nodes > 1 else UNBOUND,
        )
        share = sight.ranks / ring_steps(Operation.ALL_REDUCE, sight.ranks)
    else:
        rate = min(inner, outer if sight.nodes <= 2 else outer / 2)
        share = number_of(version, "algorithm_share", 1.0, algorithm=algorithm, protocol="simple")
    latency = _base(algorithm, "simple", version) + _hop(algorithm, "simple", "nvlink", version)
    if sight.nodes > 1:
        latency += 2 * int(log2(sight.nodes)) * _hop(algorithm, "simple", "network", version)
    yield Estimate(algorithm="in_switch", protocol="simple", latency=latency, bandwidth=heads * rate * share)
