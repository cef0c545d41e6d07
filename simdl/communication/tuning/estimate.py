"""What a tuning model says of an algorithm with a protocol: a line against size, corrected by size."""

from dataclasses import dataclass
from math import log2

SMALLEST = 64  # bytes; corrections count octaves from here


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A candidate of the library.

    Attributes:
        algorithm: as the project calls it: ``ring``, ``double_tree``, ``in_switch``, ``chain``, ``pairwise``.
        protocol: ``ll``, ``ll128`` or ``simple``.
        latency: [us].
        bandwidth: [GB/s] of the buffer.
        correction: factors of the bandwidth by octave of the size, from 64 bytes on; 1 before and after them.
        last: the correction's last factor holds for all larger sizes.
        plateau: factor of the latency from a size on.
        plateau_from: [bytes] that size.
        longest: [bytes] up to which the library uses it.
    """

    algorithm: str
    protocol: str
    latency: float
    bandwidth: float
    correction: tuple[float, ...] = ()
    last: bool = False
    plateau: float = 1.0
    plateau_from: float = 0.0
    longest: float = float("inf")


def line_at(candidate: Estimate, nbytes: float) -> tuple[float, float]:
    """Offset [us] and slope [us/byte] of the line that holds around a size."""
    bandwidth = candidate.bandwidth * _corrected(candidate, nbytes)
    if bandwidth <= 0 or nbytes > candidate.longest:
        return float("inf"), 0.0
    late = candidate.plateau > 1 and nbytes >= candidate.plateau_from
    return candidate.latency * (candidate.plateau if late else 1.0), 1 / (1000 * bandwidth)


def _corrected(candidate: Estimate, nbytes: float) -> float:
    factors = candidate.correction
    if not factors:
        return 1.0
    octave = int(log2(max(nbytes, 1.0) / SMALLEST)) if nbytes >= SMALLEST else -1
    if octave < 0:
        return factors[0] if candidate.last else 1.0
    if octave >= len(factors):
        return factors[-1] if candidate.last else 1.0
    return factors[octave]
