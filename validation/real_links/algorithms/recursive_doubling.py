"""Recursive-doubling all-reduce: partners at distance 1, 2, 4, ... exchange and add their entire buffers.

lg p (alpha + n beta + n gamma). With p between two powers of two, the ranks past the lower one, q, first hand
their values to the partner q below and receive the sum from it last: 2 alpha + 2 n beta + n gamma more
(``simdl.communication.butterfly``; Thakur et al. 2005, section 4.5).
"""

import numpy as np

from validation.real_links.algorithms.values import Values, bytes_of
from validation.real_links.transport import Peers, exchange, receive, send


def all_reduce(values: Values, peers: Peers) -> None:
    """Replace the values by the sum over all ranks."""
    q = 1 << (peers.ranks.bit_length() - 1)
    own = bytes_of(values)
    if peers.rank >= q:
        send(peers, peers.rank - q, own)
        receive(peers, peers.rank - q, own)
        return
    scratch = np.empty_like(values)
    extra = peers.rank + q
    if extra < peers.ranks:
        receive(peers, extra, bytes_of(scratch))
        np.add(values, scratch, out=values)
    distance = 1
    while distance < q:
        partner = peers.rank ^ distance
        exchange(peers, to=partner, data=own, source=partner, into=bytes_of(scratch))
        np.add(values, scratch, out=values)
        distance *= 2
    if extra < peers.ranks:
        send(peers, extra, own)
