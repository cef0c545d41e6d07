"""Ranks in network namespaces of their own, on a switch, over links of a known rate and delay: a star.

A rank's namespace holds one end (``eth0``) of its link; the other end (``port0``, ``port1``, ...) is a port
of a bridge in a further namespace, the switch. Both ends let out at most ``rate`` bytes of frames a second
(``validation.real_links.shaping``), so that each direction of a link is shaped by its sender, and incast is
met at the switch's port, as on hardware. A link is a virtual Ethernet pair; with a delay, netem holds its
frames back, or, where the kernel has no netem, it is a wire in user space (``validation.real_links.wire``).

Namespaces are removed when the context ends, be it by an error or by a signal; those of a process that was
killed are removed by the next one (``validation.real_links.leftovers``).
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from os import getpid

from validation.errors import RealLinksError
from validation.real_links.leftovers import PREFIX, owner, remove_leftovers, remove_namespaces
from validation.real_links.orders import Failed
from validation.real_links.program import end_programs, last_words, start_program
from validation.real_links.shaping import SEGMENTS, bucket, delay_line, settings
from validation.real_links.shell import run

BRIDGE = "bridge0"
NETEM, WIRE = "netem", "wire"
PLUGGED = 10.0  # [s] that the wire may take to come up
ENDING = (signal.SIGTERM, signal.SIGHUP)
_numbers = count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Star:
    """Namespaces joined by shaped links through one switch.

    Attributes:
        namespaces: of the ranks, in order.
        addresses: IPv4 addresses of the ranks, in order.
        switch: namespace of the bridge.
        interface: name of the link's end in every rank's namespace.
        rate: [bytes/s] of frames, per direction of each link.
        delay: [s] added to each direction of each link; a path from rank to rank has two links.
        delay_by: what adds it, ``netem`` or ``wire``; empty for no delay.
    """

    namespaces: tuple[str, ...]
    addresses: tuple[str, ...]
    switch: str
    interface: str
    rate: float
    delay: float
    delay_by: str

    @property
    def ranks(self) -> int:
        """Number of ranks."""
        return len(self.namespaces)


@contextmanager
def star(ranks: int, *, rate: float, delay: float = 0.0) -> Iterator[Star]:
    """A star of shaped links for as long as the context lasts.

    Args:
        ranks: number of namespaces beside the switch, at most 250.
        rate: [bytes/s] per direction of each link.
        delay: [s] per direction of each link on top of what the kernel takes by itself.

    Raises:
        RealLinksError: `ip` or `tc` refused something, or the wire did; says what.
    """
    remove_leftovers()
    base = f"{PREFIX}-{owner(getpid())}-{next(_numbers)}"
    namespaces, switch = tuple(f"{base}-r{rank}" for rank in range(ranks)), f"{base}-switch"
    with _ending_signals_raise(), ExitStack() as stack:
        stack.callback(remove_namespaces, (*namespaces, switch))
        run("ip", "netns", "add", switch)
        made = Star(
            namespaces=namespaces,
            addresses=tuple(f"10.0.0.{rank + 1}" for rank in range(ranks)),
            switch=switch,
            interface="eth0",
            rate=rate,
            delay=delay,
            delay_by=_delay_by(switch) if delay else "",
        )
        _build(made, stack)
        yield made


def _delay_by(namespace: str) -> str:
    """Netem where the kernel has it."""
    try:
        run("tc", "-n", namespace, "qdisc", "add", "dev", "lo", "root", NETEM, "delay", "1ms")
    except RealLinksError:
        return WIRE
    return NETEM


def _build(made: Star, stack: ExitStack) -> None:
    spanning = ("stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
    run("ip", "-n", made.switch, "link", "add", BRIDGE, "type", "bridge", *spanning)
    run("ip", "-n", made.switch, "link", "set", BRIDGE, "up")
    if made.delay_by == WIRE:
        _add_wires(made, stack)
    for rank in range(made.ranks):
        _add_rank(made, rank)


def _add_wires(made: Star, stack: ExitStack) -> None:
    """Both ends of every link, still in the switch's namespace, as long as the stack lasts."""
    ends = [(_near(rank), _port(rank)) for rank in range(made.ranks)]
    wire = start_program(made.switch, "validation.real_links.wire", {"ends": ends, "delay": made.delay})
    stack.callback(end_programs, (wire,))
    try:
        answer = wire.pipe.recv() if wire.pipe.poll(PLUGGED) else Failed(reason=f"no answer in {PLUGGED:g} s")
    except EOFError:
        answer = Failed(reason=f"its process {last_words(wire)}")
    if isinstance(answer, Failed):
        raise RealLinksError(f"no netem in this kernel, and no wire in its place: {answer.reason}")


def _near(rank: int) -> str:
    return f"near{rank}"


def _port(rank: int) -> str:
    return f"port{rank}"


def _add_rank(made: Star, rank: int) -> None:
    """One namespace, its link to the switch, and the shapers at both ends."""
    name, interface, port = made.namespaces[rank], made.interface, _port(rank)
    run("ip", "netns", "add", name)
    _apply_settings(made, name)
    if made.delay_by == WIRE:
        run("ip", "-n", made.switch, "link", "set", _near(rank), "netns", name)
        run("ip", "-n", name, "link", "set", _near(rank), "name", interface)
    else:
        peer = ("peer", "name", port, "netns", made.switch)
        run("ip", "link", "add", interface, "netns", name, "type", "veth", *peer)
    for namespace, end in ((name, interface), (made.switch, port)):
        _shape(made, namespace, end)
    run("ip", "-n", made.switch, "link", "set", port, "master", BRIDGE, "up")
    run("ip", "-n", name, "address", "add", f"{made.addresses[rank]}/24", "dev", interface)
    run("ip", "-n", name, "link", "set", interface, "up")
    run("ip", "-n", name, "link", "set", "lo", "up")


def _shape(made: Star, namespace: str, end: str) -> None:
    run("ip", "-n", namespace, "link", "set", end, "gso_max_segs", str(SEGMENTS))
    run("tc", "-n", namespace, *bucket(end, rate=made.rate))
    if made.delay_by == NETEM:
        run("tc", "-n", namespace, *delay_line(end, delay=made.delay))


def _apply_settings(made: Star, namespace: str) -> None:
    """A setting that this kernel lacks has nothing to switch off."""
    script = "; ".join(
        f"[ ! -w /proc/sys/{key} ] || echo {value} > /proc/sys/{key}"
        for key, value in settings(rate=made.rate, delay=made.delay).items()
    )
    run("ip", "netns", "exec", namespace, "sh", "-c", script)


@contextmanager
def _ending_signals_raise() -> Iterator[None]:
    """Let signals that end a process unwind it instead, so that what it set up is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def unwind(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, unwind) or signal.SIG_DFL for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
