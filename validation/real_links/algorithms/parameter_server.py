"""Parameter-server all-reduce: rank 0 is the server and a worker too; the others send and read back the sum.

The server takes one buffer at a time and answers one worker at a time: 2 (p-1) (alpha + n beta)
+ (p-1) n gamma, all through the server's own link (``simdl.communication.parameter_server``).
"""

import numpy as np

from validation.real_links.algorithms.values import Values, bytes_of
from validation.real_links.transport import Peers, receive, send

SERVER = 0


def all_reduce(values: Values, peers: Peers) -> None:
    """Replace the values by the sum over all ranks."""
    own = bytes_of(values)
    if peers.rank != SERVER:
        send(peers, SERVER, own)
        receive(peers, SERVER, own)
        return
    workers = [rank for rank in range(peers.ranks) if rank != SERVER]
    scratch = np.empty_like(values)
    for worker in workers:
        receive(peers, worker, bytes_of(scratch))
        np.add(values, scratch, out=values)
    for worker in workers:
        send(peers, worker, own)
