"""Ring all-reduce: a reduce-scatter, then an all-gather, each of p - 1 steps to the right-hand neighbour.

In every step a rank sends one of p blocks of the buffer and receives another: 2 (p-1) alpha
+ 2 (p-1)/p n beta + (p-1)/p n gamma (``simdl.communication.ring``; Thakur et al. 2005, section 4.4).
"""

import numpy as np

from validation.real_links.algorithms.values import Values, bytes_of
from validation.real_links.transport import Peers, exchange


def all_reduce(values: Values, peers: Peers) -> None:
    """Replace the values by the sum over all ranks."""
    p, rank = peers.ranks, peers.rank
    right, left = (rank + 1) % p, (rank - 1) % p
    blocks = np.array_split(values, p)
    scratch = np.empty_like(blocks[0])  # the largest
    for step in range(p - 1):
        outgoing, target = blocks[(rank - step) % p], blocks[(rank - step - 1) % p]
        incoming = scratch[: target.size]
        exchange(peers, to=right, data=bytes_of(outgoing), source=left, into=bytes_of(incoming))
        np.add(target, incoming, out=target)
    for step in range(p - 1):
        outgoing, target = blocks[(rank - step + 1) % p], blocks[(rank - step) % p]
        exchange(peers, to=right, data=bytes_of(outgoing), source=left, into=bytes_of(target))
