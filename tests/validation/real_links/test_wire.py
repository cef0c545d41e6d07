"""A wire carries packets both ways, whole, in order, and not before their time."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from validation.real_links.wire import carry


@contextmanager
def wires(count, *, delay):
    """The outer ends of wires that carry packets between them."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2 * count)]
    stop, stopped = socket.socketpair()
    inner = [pair[1] for pair in pairs]
    for end in inner:
        end.setblocking(False)
    opposite = {end.fileno(): inner[index ^ 1].fileno() for index, end in enumerate(inner)}
    thread = threading.Thread(target=carry, args=(opposite, delay), kwargs={"until": stopped.fileno()})
    thread.start()
    outer = [pair[0] for pair in pairs]
    for end in outer:
        end.settimeout(5)
    try:
        yield list(zip(outer[::2], outer[1::2], strict=True))
    finally:
        stop.close()
        thread.join(5)
        assert not thread.is_alive()
        for end in (*outer, *inner, stopped):
            end.close()


@pytest.mark.parametrize("delay", [0.0, 0.02])
def test_a_packet_comes_after_the_delay(delay):
    with wires(1, delay=delay) as [(near, far)]:
        for one, other in ((near, far), (far, near)):
            begun = time.monotonic()
            one.send(b"packet")
            assert other.recv(100) == b"packet"
            assert delay <= time.monotonic() - begun < delay + 0.5


def test_packets_keep_their_order_and_overlap():
    with wires(1, delay=0.05) as [(near, far)]:
        begun = time.monotonic()
        for number in range(50):
            near.send(bytes([number]))
        assert [far.recv(100)[0] for _ in range(50)] == list(range(50))
        assert time.monotonic() - begun < 1


def test_wires_do_not_mix():
    with wires(3, delay=0.01) as ends:
        for number, (near, _) in enumerate(ends):
            near.send(bytes([number]))
        assert [far.recv(100)[0] for _, far in ends] == [0, 1, 2]


def test_an_end_that_is_gone_loses_what_comes():
    with wires(2, delay=0.0) as [(near, far), (other_near, other_far)]:
        far.close()
        near.send(b"lost")
        other_near.send(b"kept")
        assert other_far.recv(100) == b"kept"
