"""Halo exchange on a grid of ranks whose axes close to rings.

one after another   2 d (alpha + h beta)   for d axes of more than two ranks and a halo of h bytes
together            alpha + h beta         over links of their own, as on a torus

An axis of two ranks has one neighbour, one of a single rank none.
"""

from collections.abc import Sequence


def neighbours(shape: Sequence[int]) -> int:
    """Ranks to which one rank of a grid sends."""
    return sum(min(2, side - 1) for side in shape)


def estimate_halo_exchange(
    shape: Sequence[int], *, h: float, alpha: float, beta: float, together: bool = False
) -> float:
    """Halo exchange of h bytes with every neighbour [s]."""
    found = neighbours(shape)
    return (min(1, found) if together else found) * (alpha + h * beta)
