"""All-reduce over sockets: the sum is right on every rank, and each moves what the simulator prices."""

import socket
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_threads import joined, run_all

from simdl.communication import ALGORITHMS, Operation
from validation.errors import RealLinksError
from validation.real_links.algorithms import ALL_REDUCE
from validation.real_links.algorithms.values import bytes_of
from validation.real_links.moves import (
    OVER_SOCKETS,
    POINT_TO_POINT,
    Move,
    expected_values,
    initial_values,
)
from validation.real_links.transport import close_peers, connect_peers, exchange, receive, send

ADDRESSES = tuple(f"127.0.0.{rank + 1}" for rank in range(3))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def send_slowly(end, stop):
    while not stop.wait(0.01):
        end.send(b"x")


def carry_out(peers, move):
    values = initial_values(move, peers.rank)
    OVER_SOCKETS[move.name](values, peers)
    return values


@pytest.mark.property
@settings(max_examples=60)
@given(name=st.sampled_from(list(OVER_SOCKETS)), ranks=st.integers(2, 7), elements=st.integers(0, 300))
def test_every_rank_ends_with_the_plain_sum(name, ranks, elements):
    move = Move(name=name, elements=elements, seed=elements)
    with joined(ranks) as found:
        results = run_all(found, lambda peers: carry_out(peers, move))
    for rank, values in enumerate(results):
        np.testing.assert_array_equal(values, expected_values(move, rank, ranks))


def test_the_expected_sum_is_that_of_all_initial_values():
    move = Move(name="ring", elements=1000, seed=3)
    parts = [initial_values(move, rank) for rank in range(5)]
    assert not np.array_equal(parts[0], parts[1])
    np.testing.assert_array_equal(expected_values(move, 2, 5), np.sum(parts, axis=0))


def test_a_transfer_leaves_all_but_its_target_alone():
    move = Move(name=POINT_TO_POINT, elements=10, seed=1)
    np.testing.assert_array_equal(expected_values(move, 1, 3), initial_values(move, 0))
    np.testing.assert_array_equal(expected_values(move, 2, 3), initial_values(move, 2))


@pytest.mark.parametrize("name", list(ALL_REDUCE))
def test_a_buffer_larger_than_what_the_kernel_holds_arrives(name):
    move = Move(name=name, elements=1_000_003, seed=0)
    with joined(4) as found:
        results = run_all(found, lambda peers: carry_out(peers, move))
    assert all(np.array_equal(values, expected_values(move, 0, 4)) for values in results)


def traffic(name, ranks, elements):
    """Bytes (sent, received) by rank."""
    move = Move(name=name, elements=elements, seed=0)
    with joined(ranks) as found:
        run_all(found, lambda peers: carry_out(peers, move))
        return [
            (sum(s.sent for s in peers.sockets.values()), sum(s.received for s in peers.sockets.values()))
            for peers in found
        ]


@pytest.mark.theory
@pytest.mark.parametrize("ranks", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("name", list(ALL_REDUCE))
def test_the_busiest_rank_moves_what_the_simulator_prices(name, ranks):
    nbytes = 4 * 24 * ranks
    (terms,) = ALGORITHMS[Operation.ALL_REDUCE][name].terms((ranks,))
    moved = traffic(name, ranks, nbytes // 4)
    if name == "parameter_server":  # in and out follow one another through the server's link
        assert sum(moved[0]) == terms.sent * nbytes
    elif name == "recursive_doubling" and ranks & (ranks - 1):  # so do the steps of the ranks past q
        rounds = ranks.bit_length() - 1
        assert moved[0] == ((rounds + 1) * nbytes, (rounds + 1) * nbytes)
        assert terms.sent == rounds + 2
    else:
        assert moved == [(terms.sent * nbytes, terms.sent * nbytes)] * ranks


class TestWaitsEnd:
    def test_a_silent_peer_is_named_after_the_time_limit(self):
        with joined(2, timeout=0.1) as found, pytest.raises(RealLinksError, match=r"0\.1 s .*from rank 1"):
            receive(found[0], 1, bytes_of(np.zeros(1, np.float32)))

    def test_a_peer_that_does_not_read_is_named(self):
        data = bytes_of(np.zeros(10_000_000, np.float32))
        with joined(2, timeout=0.1) as found, pytest.raises(RealLinksError, match="to send to rank 1"):
            send(found[0], 1, data)

    def test_bytes_that_trickle_in_do_not_extend_the_time(self):
        into = bytes_of(np.zeros(1000, np.float32))
        with joined(2, timeout=0.2) as found:
            stop = threading.Event()
            trickle = threading.Thread(target=send_slowly, args=(found[1].sockets[0], stop))
            trickle.start()
            with pytest.raises(RealLinksError, match=r"waited 0\.2 s for bytes from rank 1"):
                receive(found[0], 1, into)
            stop.set()
            trickle.join()

    def test_an_exchange_names_both_waits(self):
        data, into = bytes_of(np.zeros(10_000_000, np.float32)), bytes_of(np.zeros(1, np.float32))
        with joined(3, timeout=0.1) as found, pytest.raises(RealLinksError, match=r"rank 1 and .* rank 2"):
            exchange(found[0], to=1, data=data, source=2, into=into)

    def test_a_peer_that_left_is_named_with_what_is_missing(self):
        with joined(2) as found:
            found[1].sockets[0].close()
            with pytest.raises(RealLinksError, match="rank 1 closed its connection with 8 bytes"):
                receive(found[0], 1, bytes_of(np.zeros(2, np.float32)))
            with pytest.raises(RealLinksError, match="rank 1 broke its connection"):
                send(found[0], 1, bytes_of(np.zeros(2, np.float32)))

    def test_a_rank_that_never_comes_up(self):
        with pytest.raises(RealLinksError, match=r"rank 1 could not reach rank 0 at 127\.0\.0\.1"):
            connect_peers(1, ADDRESSES, timeout=0.1, port=free_port())
        with pytest.raises(RealLinksError, match="rank 0 was not called"):
            connect_peers(0, ADDRESSES, timeout=0.1, port=free_port())


def test_ranks_find_one_another_by_address():
    port = free_port()
    found = run_all(range(3), lambda rank: connect_peers(rank, ADDRESSES, timeout=5, port=port))
    try:
        move = Move(name="ring", elements=100, seed=0)
        results = run_all(found, lambda peers: carry_out(peers, move))
        assert all(np.array_equal(values, expected_values(move, 0, 3)) for values in results)
    finally:
        for peers in found:
            close_peers(peers)
