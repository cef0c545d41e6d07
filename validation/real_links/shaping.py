"""How one end of a link is held to a rate and a delay, and what the kernel is told so that this shows.

What a token bucket lets through at once after a pause is no part of a link of that rate, so it holds as
little as the kernel can do with: the longest packet, and what accrues while the shaper's timer is late. With
less, tokens overflow and the link is slower than its rate (tc-tbf(8)).
"""

FRAME = 1514  # [bytes] an Ethernet frame at the usual MTU of 1500, as the shaper counts it
SEGMENTS = 4  # frames that may travel as one packet through the kernel
LATENESS = 0.25e-3  # [s] of the shaper's timer
QUEUE = 16 * 2**20  # [bytes] of a port: windows of all senders at once, so that incast loses nothing
WINDOW = 2**17  # [bytes] a receiver takes before it is read: what is sent too early must not fill the link


def bucket(interface: str, *, rate: float) -> tuple[str, ...]:
    """Arguments of the `tc` call that holds what leaves an interface to a rate [bytes/s]."""
    burst = SEGMENTS * FRAME + round(rate * LATENESS)
    shaper = ("tbf", "rate", f"{round(rate * 8)}bit", "burst", str(burst), "limit", str(QUEUE))
    return ("qdisc", "add", "dev", interface, "root", "handle", "1:", *shaper)


def delay_line(interface: str, *, delay: float) -> tuple[str, ...]:
    """Arguments of the `tc` call that adds a delay [s] to what the bucket lets out (tc-netem(8)).

    Frames wait here for their time, so it may hold as many as the bucket's queue.
    """
    line = ("netem", "delay", f"{round(delay * 1e6)}us", "limit", str(QUEUE // FRAME))
    return ("qdisc", "add", "dev", interface, "parent", "1:1", "handle", "2:", *line)


def settings(*, rate: float, delay: float) -> dict[str, str]:
    """Kernel settings of a rank's namespace, by their place under ``/proc/sys``.

    Half of a receive buffer holds data, the other half its bookkeeping. A path has two links; with a delay
    the window must cover a round trip over both at the full rate.
    """
    window = WINDOW + round(2 * 4 * delay * rate)
    return {
        "net/ipv6/conf/all/disable_ipv6": "1",  # no neighbour discovery beside the measurement
        "net/ipv4/tcp_congestion_control": "reno",  # in every kernel; without loss they are all alike
        "net/ipv4/tcp_slow_start_after_idle": "0",  # a pause between two sizes is no part of the next
        "net/ipv4/tcp_timestamps": "1",  # the option counts among the headers of a frame
        "net/ipv4/tcp_no_metrics_save": "1",  # no connection starts from what an earlier one learned
        "net/ipv4/tcp_rmem": f"4096 {window} {window}",
    }
