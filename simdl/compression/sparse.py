"""Sparse all-reduce: ranks add up vectors of which each holds a few elements (SparCML, Renggli et al. 2019).

With density d at every rank and places that are independent, the sum over m ranks has density
1 - (1 - d)^m: it densifies as it is reduced. A vector is sent as entries (place and value) while that is
shorter, else dense.
Two ways, of which the faster is taken:

- recursive doubling: after step t a rank holds the sum over 2^t ranks;
- split and gather: every rank sends the others their parts, adds up its own and gathers all.
"""

from math import ceil, log2

from simdl.communication import Group, Operation, collective_seconds
from simdl.communication.point_to_point import find_hop, hop_time
from simdl.compression.method import Compression
from simdl.kernels.pricing import Pricing

Exchange = tuple[Operation, float, float]
"""Operation, [bytes] as collectives count them, and [s]."""


def union_density(density: float, ranks: int) -> float:
    """Density of the sum of so many ranks' vectors.

    Example:
        >>> union_density(0.5, 2)
        0.75
    """
    return 1.0 - (1.0 - density) ** ranks


def vector_bytes(elements: float, density: float, method: Compression) -> float:
    """[bytes] of a vector of some density: entries, or dense where that is shorter."""
    entry = max(method.entry, 4.0 + method.bits / 8)
    return min(elements * density * entry, method.dense_bytes(elements))


def sparse_exchanges(
    elements: float, method: Compression, group: Group, pricing: Pricing
) -> tuple[Exchange, ...]:
    """The faster of both ways."""
    doubling, split = _doubling(elements, method, group, pricing), _split(elements, method, group, pricing)
    return min(doubling, split, key=lambda way: sum(seconds for _, _, seconds in way))


def _doubling(elements: float, method: Compression, group: Group, pricing: Pricing) -> tuple[Exchange, ...]:
    total = seconds = 0.0
    cluster, library = pricing.cluster, pricing.stack.library
    for step in range(ceil(log2(group.size))):
        met = 2**step
        nbytes = (
            method.sent_bytes(elements)
            if step == 0
            else vector_bytes(elements, union_density(method.density, met), method)
        )
        distance = min(met, group.size - met) * group.stride
        hop = find_hop(0, distance, senders=min(distance, cluster.devices), cluster=cluster)
        seconds += hop_time(nbytes, hop, cluster, library=library)
        total += nbytes
    return ((Operation.ALL_GATHER, total, seconds),)


def _split(elements: float, method: Compression, group: Group, pricing: Pricing) -> tuple[Exchange, ...]:
    sent = method.sent_bytes(elements)
    whole = vector_bytes(elements, union_density(method.density, group.size), method)
    return tuple(
        (
            operation,
            nbytes,
            collective_seconds(operation, nbytes, group, pricing.cluster, library=pricing.stack.library),
        )
        for operation, nbytes in ((Operation.ALL_TO_ALL, sent), (Operation.ALL_GATHER, whole))
    )
