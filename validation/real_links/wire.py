"""A wire with a delay, for kernels without netem: the program of a process that carries frames in user space.

    python -m validation.real_links.wire '{"pipe": 5, "ends": [["near0", "far0"], ...], "delay": 0.001}'

Every wire has two ends, both Ethernet devices of the kernel's TUN/TAP driver. A frame that leaves at one end
enters at the other ``delay`` seconds later, in order, in both directions. Frames that the kernel hands over
as one packet travel as one (tuntap.rst of the kernel's documentation: IFF_VNET_HDR, TUNSETOFFLOAD).

The wire ends when the pipe to the process that started it closes, and its devices end with it.
"""

import fcntl
import json
import os
import select
import struct
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from validation.real_links.orders import Failed, Ready
from validation.real_links.program import end_with_starter

DRIVER = "/dev/net/tun"
TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
TAP_WITH_OFFLOAD_HEADER = 0x0002 | 0x1000 | 0x4000  # IFF_TAP, IFF_NO_PI, IFF_VNET_HDR
CHECKSUM_AND_TCP4 = 0x01 | 0x02  # TUN_F_CSUM, TUN_F_TSO4
LONGEST = 2**16 + 64  # [bytes] of a packet with its header
AT_ONCE = 16  # packets read from one end before the others have their turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What the program is started with.

    Attributes:
        pipe: file descriptor of the pipe to the process that started it.
        ends: names of the two devices of each wire.
        delay: [s] of every frame.
    """

    pipe: int
    ends: tuple[tuple[str, str], ...]
    delay: float


def main(arguments: str) -> None:
    """Create the devices, say so, and carry frames until the pipe closes."""
    end_with_starter()
    wiring = Wiring(**json.loads(arguments))
    pipe: Connection = Connection(wiring.pipe)
    try:
        opposite = open_wires(wiring.ends)
    except OSError as error:
        pipe.send(Failed(reason=f"{DRIVER}: {error.strerror}"))
        return
    pipe.send(Ready())
    carry(opposite, wiring.delay, until=pipe.fileno())


def open_wires(ends: Sequence[tuple[str, str]]) -> dict[int, int]:
    """Create the devices of all wires; by descriptor, the other end."""
    opposite: dict[int, int] = {}
    for near, far in ends:
        one, other = open_device(near), open_device(far)
        opposite |= {one: other, other: one}
    return opposite


def open_device(name: str) -> int:
    """Create a TAP device in the current network namespace; it lives as long as the descriptor."""
    device = os.open(DRIVER, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), TAP_WITH_OFFLOAD_HEADER))
    fcntl.ioctl(device, TUNSETOFFLOAD, CHECKSUM_AND_TCP4)
    return device


def carry(opposite: Mapping[int, int], delay: float, *, until: int) -> None:
    """Carry packets from every descriptor to its opposite, each ``delay`` [s] after it came.

    Args:
        opposite: by descriptor, the other end of its wire.
        delay: [s]; the same for all, so that one queue is in order for all.
        until: descriptor that ends this when it becomes readable.
    """
    waiting: deque[tuple[float, int, bytes]] = deque()
    sources = [*opposite, until]
    while True:
        timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready, _, _ = select.select(sources, (), (), timeout)
        if until in ready:
            return
        due = time.monotonic() + delay
        for source in ready:
            waiting.extend((due, opposite[source], packet) for packet in _read(source))
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, target, packet = waiting.popleft()
            _write(target, packet)


def _read(source: int) -> Sequence[bytes]:
    packets: list[bytes] = []
    with suppress(OSError):  # no more for now, or this end is not up
        while len(packets) < AT_ONCE:
            packets.append(os.read(source, LONGEST))
    return packets


def _write(target: int, packet: bytes) -> None:
    with suppress(OSError):  # not up: an end that is not plugged in loses what comes
        os.write(target, packet)


if __name__ == "__main__":
    main(sys.argv[1])
