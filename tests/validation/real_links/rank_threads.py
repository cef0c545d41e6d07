"""Ranks as threads of this process, joined by socket pairs that count what passes."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import combinations

from validation.real_links.transport import Peers, close_peers


class CountingSocket:
    """One end of a pair; sums the bytes sent and received through it."""

    def __init__(self, end):
        self.end, self.sent, self.received = end, 0, 0
        end.setblocking(False)

    def fileno(self):
        return self.end.fileno()

    def close(self):
        self.end.close()

    def send(self, data):
        count = self.end.send(data)
        self.sent += count
        return count

    def recv_into(self, into):
        count = self.end.recv_into(into)
        self.received += count
        return count


@contextmanager
def joined(ranks, *, timeout=10.0):
    """Peers of every rank."""
    sockets = [{} for _ in range(ranks)]
    for low, high in combinations(range(ranks), 2):
        ends = socket.socketpair()
        sockets[low][high], sockets[high][low] = map(CountingSocket, ends)
    found = [Peers(rank=rank, ranks=ranks, sockets=sockets[rank], timeout=timeout) for rank in range(ranks)]
    try:
        yield found
    finally:
        for peers in found:
            close_peers(peers)


def run_all(found, function):
    """What ``function(peers)`` returns on every rank, all at once."""
    with ThreadPoolExecutor(len(found)) as pool:
        return list(pool.map(function, found))
