"""Parameter server: p - 1 workers send their buffers to servers and read the sum back (Li et al. 2014).

With s servers that each hold n/s and take one message at a time:
2 (p-1) alpha + 2 (p-1) n/s beta + (p-1) n/s gamma.
One server (s = 1) is the central bottleneck of Ben-Nun and Hoefler 2019, section 6.3; s = p is a sharded one.
"""

from collections.abc import Sequence

from simdl.communication.terms import Terms


def estimate_all_reduce(
    p: int, *, n: float, alpha: float, beta: float, gamma: float, servers: int = 1
) -> float:
    """Reduction of n bytes through servers that are among the p ranks [s]."""
    share = n / servers
    return 2 * (p - 1) * (alpha + share * beta) + (p - 1) * share * gamma


def estimate_dedicated_all_reduce(p: int, *, n: float, alpha: float, beta: float, gamma: float) -> float:
    """Reduction of n bytes through one server beside p workers [s]: its traffic is 2 p n."""
    return estimate_all_reduce(p + 1, n=n, alpha=alpha, beta=beta, gamma=gamma)


def all_reduce(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level with a single server: the members of its own node reach it over the inner level."""
    found, below = [], 1
    for m in members:
        senders = (m - 1) * below
        found.append(Terms(steps=2 * senders, sent=2 * senders, reduced=senders))
        below *= m
    return tuple(found)
