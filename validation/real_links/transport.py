"""TCP between ranks with nothing but the standard library: a socket to every other rank, and two moves.

A rank sends to one peer and receives from one at the same moment (``exchange``), as links with a channel per
direction allow, or does only one of the two. Every wait ends: after the time limit the call raises and says
which peer it waited for.
"""

import select
import socket
import time
from collections.abc import MutableMapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from validation.errors import RealLinksError

PORT = 29400
RETRY_AFTER = 0.02  # [s]
NUMBER = 1  # [bytes] of a rank's number


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """What one rank holds of the others.

    Attributes:
        rank: own number.
        ranks: how many there are.
        sockets: by rank, the connection to it; in non-blocking mode.
        timeout: [s] that one move may take.
    """

    rank: int
    ranks: int
    sockets: MutableMapping[int, socket.socket]
    timeout: float


def send(peers: Peers, to: int, data: memoryview) -> None:
    """Send bytes to a rank."""
    _move(peers, to, data, None, None)


def receive(peers: Peers, source: int, into: memoryview) -> None:
    """Fill a buffer with bytes from a rank."""
    _move(peers, None, None, source, into)


def exchange(peers: Peers, *, to: int, data: memoryview, source: int, into: memoryview) -> None:
    """Send and receive at the same moment; the two ranks may be one or two."""
    _move(peers, to, data, source, into)


def _move(
    peers: Peers, to: int | None, data: memoryview | None, source: int | None, into: memoryview | None
) -> None:
    """Send ``data`` and fill ``into`` together, each as fast as its socket takes it.

    Raises:
        RealLinksError: a peer closed its connection, or the time limit passed.
    """
    deadline = time.monotonic() + peers.timeout
    outgoing = data if data is not None else memoryview(b"")
    incoming = into if into is not None else memoryview(bytearray())
    while outgoing or incoming:
        readers = [peers.sockets[source]] if source is not None and incoming else []
        writers = [peers.sockets[to]] if to is not None and outgoing else []
        left = deadline - time.monotonic()
        ready, free, _ = select.select(readers, writers, [], max(0.0, left))
        if left <= 0 or not (ready or free):
            raise RealLinksError(_waited(peers, to if outgoing else None, source if incoming else None))
        if ready:
            incoming = incoming[_receive_some(readers[0], incoming, source) :]
        if free:
            outgoing = outgoing[_send_some(writers[0], outgoing, to) :]


def _receive_some(connection: socket.socket, into: memoryview, source: int | None) -> int:
    try:
        count = connection.recv_into(into)
    except BlockingIOError:
        return 0
    except OSError as error:
        raise RealLinksError(f"rank {source} broke its connection: {error.strerror}") from None
    if not count:
        raise RealLinksError(f"rank {source} closed its connection with {len(into)} bytes still to come")
    return count


def _send_some(connection: socket.socket, data: memoryview, to: int | None) -> int:
    try:
        return connection.send(data)
    except BlockingIOError:
        return 0
    except OSError as error:
        raise RealLinksError(f"rank {to} broke its connection: {error.strerror}") from None


def _waited(peers: Peers, to: int | None, source: int | None) -> str:
    waits = [f"to send to rank {to}"] if to is not None else []
    waits += [f"for bytes from rank {source}"] if source is not None else []
    return f"rank {peers.rank} waited {peers.timeout:g} s {' and '.join(waits)}"


def connect_peers(rank: int, addresses: Sequence[str], *, timeout: float, port: int = PORT) -> Peers:
    """Join every pair of ranks: a rank calls those below it and answers those above.

    Args:
        rank: own number.
        addresses: of all ranks, in order.
        timeout: [s] for connecting, and for every later move.
        port: that every rank listens on at its own address.

    Raises:
        RealLinksError: the own address cannot be used, or a rank did not answer, or call, in time.
    """
    deadline = time.monotonic() + timeout
    peers = Peers(rank=rank, ranks=len(addresses), sockets={}, timeout=timeout)
    try:
        with closing(_listen(rank, (addresses[rank], port))) as server:
            for peer in range(rank):
                peers.sockets[peer] = _call(rank, peer, (addresses[peer], port), deadline)
            while len(peers.sockets) < len(addresses) - 1:
                peer, connection = _answer(server, rank, deadline)
                peers.sockets[peer] = connection
    except BaseException:
        close_peers(peers)
        raise
    for connection in peers.sockets.values():
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
    return peers


def _listen(rank: int, place: tuple[str, int]) -> socket.socket:
    try:
        return socket.create_server(place)
    except OSError as error:
        raise RealLinksError(f"rank {rank} could not listen at {place[0]}: {error.strerror}") from None


def _call(rank: int, peer: int, place: tuple[str, int], deadline: float) -> socket.socket:
    """A connection to a rank below, with the own number as its first bytes; repeated until it listens."""
    while True:
        left = deadline - time.monotonic()
        try:
            connection = socket.create_connection(place, timeout=max(RETRY_AFTER, left))
        except OSError as error:
            if left <= RETRY_AFTER:
                raise RealLinksError(
                    f"rank {rank} could not reach rank {peer} at {place[0]}: {error}"
                ) from None
            time.sleep(RETRY_AFTER)
            continue
        connection.sendall(rank.to_bytes(NUMBER))
        return connection


def _answer(server: socket.socket, rank: int, deadline: float) -> tuple[int, socket.socket]:
    """A connection from a rank above, and which one it is."""
    server.settimeout(max(RETRY_AFTER, deadline - time.monotonic()))
    try:
        connection, _ = server.accept()
    except OSError as error:
        raise RealLinksError(f"rank {rank} was not called by every rank above it: {error}") from None
    connection.settimeout(max(RETRY_AFTER, deadline - time.monotonic()))
    try:
        return int.from_bytes(connection.recv(NUMBER)), connection
    except OSError as error:
        connection.close()
        raise RealLinksError(f"rank {rank} was called, but by none that gave its number: {error}") from None


def close_peers(peers: Peers) -> None:
    """Close every connection."""
    for connection in peers.sockets.values():
        connection.close()
