"""RCCL's tuning model: NCCL's frame with shares and corrections by a model that the topology template names.

Templates of eight MI300X name model 5, other machines model 0 (ROCm/rccl, ``src/graph/rome_models.cc`` and
``tuning.cc``). The source of 2024 has LL128 on MI250 only.
"""

from functools import lru_cache
from math import log2

from simdl.communication.operation import Operation
from simdl.communication.tuning.constants import Version, number_of, numbers_of
from simdl.communication.tuning.estimate import Estimate
from simdl.communication.tuning.nccl import pair_estimates, ring_steps
from simdl.communication.tuning.sight import Sight

FULL_NODE = 8


def model_of(sight: Sight) -> str:
    """The tuning model that the machine's template names."""
    return "5" if sight.generation == "cdna3" and sight.kind == "xgmi" else "0"


@lru_cache(maxsize=4096)
def estimates(operation: Operation, sight: Sight, version: Version) -> tuple[Estimate, ...]:
    """Every candidate of the library for an operation."""
    if operation is Operation.ALL_TO_ALL:
        return pair_estimates(sight, version)
    found = [_ring(operation, protocol, sight, version) for protocol in ("ll", "simple")]
    if operation is Operation.ALL_REDUCE:
        found += [
            _tree(protocol, sight, version)
            for protocol in ("ll", "simple")
            if protocol == "ll" or sight.nodes > 1 or sight.per_node < FULL_NODE
        ]
    return tuple(found)


def _bandwidth(sight: Sight) -> float:
    return sight.inside if sight.nodes == 1 else min(sight.inside, sight.card * sight.cards)


def _hops(algorithm: str, protocol: str, sight: Sight, version: Version) -> tuple[float, float]:
    """[us] of a hop inside a node and between nodes."""
    links = ("xgmi" if sight.kind == "xgmi" else "pcie", "network")
    inner, outer = (
        number_of(
            version,
            "hop_latency",
            0.0,
            algorithm=algorithm,
            protocol=protocol,
            link=link,
            generation=model_of(sight),
        )
        for link in links
    )
    return inner, outer


def _share(algorithm: str, protocol: str, sight: Sight, version: Version) -> float:
    return number_of(
        version,
        "bus_share",
        1.0,
        algorithm=algorithm,
        protocol=protocol,
        generation=model_of(sight),
        nodes=sight.nodes,
    )


def _corrections(algorithm: str, protocol: str, sight: Sight, version: Version) -> tuple[float, ...]:
    if algorithm == "ring" and sight.nodes == 1:
        return ()
    return numbers_of(
        version, "size_correction", algorithm=algorithm, protocol=protocol, generation=model_of(sight)
    )


def _ring(operation: Operation, protocol: str, sight: Sight, version: Version) -> Estimate:
    inner, outer = _hops("ring", protocol, sight, version)
    steps = ring_steps(operation, sight.ranks)
    crossings = (2 if operation is Operation.ALL_REDUCE else 1) * (sight.nodes - 1)
    base = number_of(version, "base_latency", 0.0, algorithm="ring", protocol=protocol)
    return Estimate(
        algorithm="chain" if operation is Operation.BROADCAST else "ring",
        protocol=protocol,
        latency=base + (steps - crossings) * inner + crossings * outer,
        bandwidth=_bandwidth(sight) * _share("ring", protocol, sight, version) * sight.ranks / steps,
        correction=_corrections("ring", protocol, sight, version),
        last=True,
    )


def _tree(protocol: str, sight: Sight, version: Version) -> Estimate:
    inner, outer = _hops("tree", protocol, sight, version)
    base = number_of(version, "base_latency", 0.0, algorithm="tree", protocol=protocol)
    depth = int(log2(sight.nodes))
    return Estimate(
        algorithm="double_tree",
        protocol=protocol,
        latency=base + 2 * ((sight.per_node - 1) * inner + depth * outer),
        bandwidth=_bandwidth(sight) * _share("tree", protocol, sight, version) / 2,
        correction=_corrections("tree", protocol, sight, version),
        last=True,
    )
