"""What an algorithm costs per level, before any link is named: the alpha-beta-gamma model.

A message of s bytes takes alpha + s beta; combining s bytes takes s gamma (Hockney 1994; Thakur,
Rabenseifner and Gropp 2005, section 3). An algorithm on n bytes is then steps * alpha + sent * n * beta +
reduced * n * gamma.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log2


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Work of one rank on one level, per byte of the operation's buffer.

    Attributes:
        steps: messages that follow one another.
        sent: bytes sent, as a share of the buffer.
        reduced: bytes combined, as a share of the buffer.
    """

    steps: float
    sent: float
    reduced: float = 0.0


TermsOfLevels = Callable[[Sequence[int]], tuple[Terms, ...]]


def estimate_time(terms: Terms, *, n: float, alpha: float, beta: float, gamma: float = 0.0) -> float:
    """Time [s] of the terms on n bytes: alpha [s], beta and gamma [s/byte]."""
    return terms.steps * alpha + terms.sent * n * beta + terms.reduced * n * gamma


def log_steps(p: int) -> int:
    """Rounds in which doubling reaches p ranks: ceil(log2 p)."""
    return ceil(log2(p))


def per_level(
    members: Sequence[int], terms: Callable[[int], Terms], *, shrink: bool = True
) -> tuple[Terms, ...]:
    """Apply a one-level algorithm level by level, nearest ranks first.

    Args:
        members: ranks per level, innermost first.
        terms: terms of the algorithm for a number of ranks.
        shrink: whether a level works on the share that the levels below left to each of their members, as
            scattering algorithms do, rather than on the entire buffer.
    """
    found, below = [], 1
    for m in members:
        level = terms(m)
        share = 1 / below if shrink else 1.0
        found.append(Terms(steps=level.steps, sent=level.sent * share, reduced=level.reduced * share))
        below *= m
    return tuple(found)
