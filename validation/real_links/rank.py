"""The program of one rank, started inside its namespace: takes orders from a pipe until it closes.

python -m validation.real_links.rank '{"rank": 0, "pipe": 5, "addresses": [...], ...}'
"""

import json
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from validation.errors import RealLinksError
from validation.real_links import gloo
from validation.real_links.moves import GLOO, OVER_SOCKETS, Move, expected_values, initial_values
from validation.real_links.orders import Done, Failed, JoinGloo, Latency, Ready, RoundTrips, Start, Stop
from validation.real_links.program import end_with_starter
from validation.real_links.transport import Peers, close_peers, connect_peers, receive, send


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a rank finds itself.

    Attributes:
        rank: own number.
        pipe: file descriptor of the pipe to the measuring process.
        addresses: of all ranks.
        interface: the end of its link.
        timeout: [s] that one move may take.
    """

    rank: int
    pipe: int
    addresses: tuple[str, ...]
    interface: str
    timeout: float


def main(arguments: str) -> None:
    """Connect to the other ranks, then carry out orders."""
    end_with_starter()
    place = Place(**json.loads(arguments))
    pipe: Connection = Connection(place.pipe)
    try:
        serve(pipe, place)
    except RealLinksError as error:
        pipe.send(Failed(reason=str(error)))
    except (EOFError, ConnectionError):
        sys.exit(1)  # the measuring process is gone, and nobody is left to tell


def serve(pipe: Connection, place: Place) -> None:
    """Carry out orders until told to stop."""
    peers = connect_peers(place.rank, place.addresses, timeout=place.timeout)
    pipe.send(Ready())
    joined = False
    while not isinstance(order := pipe.recv(), Stop):
        if isinstance(order, Move):
            carry_out(pipe, order, peers)
        elif isinstance(order, Latency):
            pipe.send(RoundTrips(durations=round_trips(order, peers)))
        elif isinstance(order, JoinGloo):
            _join(place)
            joined = True
            pipe.send(Ready())
    if joined:
        gloo.leave()
    close_peers(peers)


def _join(place: Place) -> None:
    gloo.join(
        place.rank,
        len(place.addresses),
        server=place.addresses[0],
        interface=place.interface,
        timeout=place.timeout,
    )


def carry_out(pipe: Connection, move: Move, peers: Peers) -> None:
    """Prepare the values, wait for the agreed instant, move them and check them."""
    values = initial_values(move, peers.rank)
    expected = expected_values(move, peers.rank, peers.ranks)
    pipe.send(Ready())
    start = pipe.recv()
    if not isinstance(start, Start):
        raise RealLinksError(f"rank {peers.rank} was told {start!r}; expected a start")
    time.sleep(max(0.0, start.at - time.monotonic()))
    begun = time.monotonic()
    if move.name == GLOO:
        gloo.all_reduce(values)
    else:
        OVER_SOCKETS[move.name](values, peers)
    ended = time.monotonic()
    pipe.send(Done(begun=begun, ended=ended, wrong=int(np.count_nonzero(values != expected))))


def round_trips(order: Latency, peers: Peers) -> tuple[float, ...]:
    """Bounce a byte between rank 0 and its partner; rank 0 measures."""
    byte = memoryview(bytearray(1))
    durations = []
    for _ in range(order.rounds):
        if peers.rank == 0:
            begun = time.monotonic()
            send(peers, order.partner, byte)
            receive(peers, order.partner, byte)
            durations.append(time.monotonic() - begun)
        elif peers.rank == order.partner:
            receive(peers, 0, byte)
            send(peers, 0, byte)
    return tuple(durations)


if __name__ == "__main__":
    main(sys.argv[1])
