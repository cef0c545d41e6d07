"""Ranks in network namespaces of their own, on a switch, over links of a known rate: a star.

A rank's namespace holds one end (``eth0``) of a virtual Ethernet pair; the other end (``port0``, ``port1``,
...) is a port of a bridge in a further namespace, the switch. Both ends let out at most ``rate`` bytes of
frames a second (token-bucket filter, tc-tbf(8)), so that each direction of a link is shaped by its sender,
and incast is met at the switch's port, as on hardware. What a bucket lets through at once after a pause is no
part of a link of that rate, so it holds as little as the kernel can do with: the longest packet, and what
accrues while the shaper's timer is late (with less, tokens overflow and the link is slower than its rate).

Namespaces are named after the process that made them, and are removed when the context ends, be it by an
error or by a signal. Those of a process that was killed are found by that name and removed by the next one.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from os import getpid
from pathlib import Path

from validation.errors import RealLinksError
from validation.real_links.shell import run

PREFIX = "simdl-links"
FRAME = 1514  # [bytes] an Ethernet frame at the usual MTU of 1500, as the shaper counts it
SEGMENTS = 4  # frames that may travel as one packet through the kernel
LATENESS = 0.25e-3  # [s] of the shaper's timer
QUEUE = 16 * 2**20  # [bytes] of a port: windows of all senders at once, so that incast loses nothing
WINDOW = 2**17  # [bytes] a receiver takes before it is read: what is sent too early must not fill the link
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
        delay: [s] added to each direction of each link by netem; 0 for none.
    """

    namespaces: tuple[str, ...]
    addresses: tuple[str, ...]
    switch: str
    interface: str
    rate: float
    delay: float

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
        RealLinksError: `ip` or `tc` refused something; says what.
    """
    remove_leftovers()
    base = f"{PREFIX}-{owner(getpid())}-{next(_numbers)}"
    made = Star(
        namespaces=tuple(f"{base}-r{rank}" for rank in range(ranks)),
        addresses=tuple(f"10.0.0.{rank + 1}" for rank in range(ranks)),
        switch=f"{base}-switch",
        interface="eth0",
        rate=rate,
        delay=delay,
    )
    with _ending_signals_raise():
        try:
            _build(made)
            yield made
        finally:
            _remove((*made.namespaces, made.switch))


def _build(made: Star) -> None:
    run("ip", "netns", "add", made.switch)
    run(
        "ip",
        "-n",
        made.switch,
        "link",
        "add",
        "bridge0",
        "type",
        "bridge",
        "stp_state",
        "0",
        "forward_delay",
        "0",
        "mcast_snooping",
        "0",
    )
    run("ip", "-n", made.switch, "link", "set", "bridge0", "up")
    for rank in range(made.ranks):
        _add_rank(made, rank)


def _add_rank(made: Star, rank: int) -> None:
    """One namespace, its link to the switch, and the shapers at both ends."""
    name, interface, port = made.namespaces[rank], made.interface, f"port{rank}"
    run("ip", "netns", "add", name)
    _apply_settings(made, name)
    run(
        "ip",
        "link",
        "add",
        interface,
        "netns",
        name,
        "type",
        "veth",
        "peer",
        "name",
        port,
        "netns",
        made.switch,
    )
    for namespace, end in ((name, interface), (made.switch, port)):
        run("ip", "-n", namespace, "link", "set", end, "gso_max_segs", str(SEGMENTS))
        for arguments in shaping(end, rate=made.rate, delay=made.delay):
            run("tc", "-n", namespace, *arguments)
    run("ip", "-n", made.switch, "link", "set", port, "master", "bridge0", "up")
    run("ip", "-n", name, "address", "add", f"{made.addresses[rank]}/24", "dev", interface)
    run("ip", "-n", name, "link", "set", interface, "up")
    run("ip", "-n", name, "link", "set", "lo", "up")


def shaping(interface: str, *, rate: float, delay: float) -> list[tuple[str, ...]]:
    """Arguments of the `tc` calls that hold what leaves an interface to a rate [bytes/s] and a delay [s]."""
    burst = SEGMENTS * FRAME + round(rate * LATENESS)
    bucket = ("tbf", "rate", f"{round(rate * 8)}bit", "burst", str(burst), "limit", str(QUEUE))
    add = ("qdisc", "add", "dev", interface)
    if not delay:
        return [(*add, "root", *bucket)]
    # frames wait for their time in netem, which may hold as many as the bucket's queue
    line = ("netem", "delay", f"{round(delay * 1e6)}us", "limit", str(QUEUE // FRAME))
    return [(*add, "root", "handle", "1:", *bucket), (*add, "parent", "1:1", "handle", "2:", *line)]


def settings(*, rate: float, delay: float) -> dict[str, str]:
    """Kernel settings of a rank's namespace, by their place under ``/proc/sys``.

    Half of a receive buffer holds data, the other half its bookkeeping; with a delay the window must cover a
    round trip at the full rate.
    """
    window = WINDOW + round(8 * rate * delay)
    return {
        "net/ipv6/conf/all/disable_ipv6": "1",  # no neighbour discovery beside the measurement
        "net/ipv4/tcp_congestion_control": "reno",  # in every kernel; without loss they are all alike
        "net/ipv4/tcp_slow_start_after_idle": "0",  # a pause between two sizes is no part of the next
        "net/ipv4/tcp_timestamps": "1",  # the option counts among the headers of a frame
        "net/ipv4/tcp_no_metrics_save": "1",  # no connection starts from what an earlier one learned
        "net/ipv4/tcp_rmem": f"4096 {window} {window}",
    }


def _apply_settings(made: Star, namespace: str) -> None:
    """A setting that this kernel lacks has nothing to switch off."""
    script = "; ".join(
        f"[ ! -w /proc/sys/{key} ] || echo {value} > /proc/sys/{key}"
        for key, value in settings(rate=made.rate, delay=made.delay).items()
    )
    run("ip", "netns", "exec", namespace, "sh", "-c", script)


def _remove(names: tuple[str, ...]) -> None:
    known = set(list_namespaces())
    for name in names:
        if name in known:
            with suppress(RealLinksError):  # the others must go all the same
                run("ip", "netns", "delete", name)


def list_namespaces() -> list[str]:
    """Names of all network namespaces."""
    return [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.strip()]


def owner(pid: int) -> str:
    """A process by number and start time [clock ticks], because numbers come round; empty if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    return f"{pid}-{stat.rpartition(')')[2].split()[19]}"


def remove_leftovers() -> list[str]:
    """Remove the namespaces of processes that were killed before they could; returns their names."""
    names = [name for name in list_namespaces() if name.startswith(f"{PREFIX}-") and not _owned(name)]
    _remove(tuple(names))
    return names


def _owned(name: str) -> bool:
    pid, _, rest = name.removeprefix(f"{PREFIX}-").partition("-")
    return pid.isdigit() and owner(int(pid)) == f"{pid}-{rest.partition('-')[0]}"


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
