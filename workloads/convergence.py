"""Convergence: how many samples a network needs to its target, by global batch and by staleness of gradients.

The samples that training needs grow with the batch,

    E(B) = E_min (1 + B / B_crit),    steps(B) = E(B) / B

(McCandlish, Kaplan, Amodei et al. 2018, arXiv:1812.06162, equation 5.1): beyond the critical batch more
samples a step hardly save steps. E_min and B_crit are fitted to measured pairs of batch and samples where
those exist. For decoders without any, B_crit is 2e8 tokens / L^(1/0.21) at the loss L = (8.8e13 / N)^0.076
that N parameters reach (Kaplan et al. 2020, arXiv:2001.08361, equations 1.1 and 1.4), and is said to be
assumed.

Steps have two parts: noise, E_min / B, and curvature, E_min / B_crit. On a quadratic a gradient that is tau
updates late allows rates of at most 2 sin(pi / (4 tau + 2)) over the curvature (Levin and May 1976), instead
of 2, so the second part grows by 1 / sin(pi / (4 tau + 2)). That staleness does nothing else is assumed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, sin

from workloads.errors import WorkloadError
from workloads.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Convergence:
    """What is known of a network's way to its target.

    Attributes:
        points: measured (global batch, samples to the target), [samples].
        target: what was reached, in words.
        source: where the points are printed.
        whole: samples of the whole training at some batch, where the points are of a part of it; () else.
    """

    points: tuple[tuple[int, float], ...]
    target: str
    source: str
    whole: tuple[int, float] | tuple[()] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Samples to the target by batch.

    Attributes:
        least_samples: E_min.
        critical_batch: B_crit [samples].
        measured: what is measured, a sentence; empty if nothing is.
        assumed: what is assumed, sentences.
    """

    least_samples: float
    critical_batch: float
    measured: str = ""
    assumed: tuple[str, ...] = ()

    def samples(self, batch: float) -> float:
        """Samples to the target at a global batch."""
        return self.least_samples * (1 + batch / self.critical_batch)

    def steps(self, batch: float, staleness: float = 0.0) -> float:
        """Updates to the target, each of so many samples and with gradients so many updates late."""
        return self.least_samples / batch + self.least_samples / self.critical_batch * delay_factor(staleness)


def delay_factor(staleness: float) -> float:
    """By how much steps of curvature grow with gradients that are so many updates late.

    Raises:
        WorkloadError: a negative staleness.
    """
    if staleness < 0:
        raise WorkloadError(f"staleness: found {staleness}; expected at least 0")
    return 1 / sin(pi / (4 * staleness + 2))


def fit_curve(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """E_min and B_crit of least squares of relative errors of E.

    Raises:
        WorkloadError: fewer than two batches, or samples that do not grow with the batch.
    """
    if len({batch for batch, _ in points}) < 2:
        raise WorkloadError(f"convergence: found {len(points)} points; expected two batches at least")
    # E = a + c B, each row divided by its E
    rows = [(1 / samples, batch / samples) for batch, samples in points]
    aa, ac, cc = (sum(x * y for x, y in pairs) for pairs in _products(rows))
    a1, c1 = (sum(row[index] for row in rows) for index in (0, 1))
    determinant = aa * cc - ac * ac
    least, slope = (a1 * cc - c1 * ac) / determinant, (c1 * aa - a1 * ac) / determinant
    if not (least > 0 and slope > 0):
        raise WorkloadError("convergence: samples do not grow with the batch; expected points that do")
    return least, least / slope


def _products(rows: Sequence[tuple[float, float]]) -> Sequence[Sequence[tuple[float, float]]]:
    return (
        [(a, a) for a, _ in rows],
        [(a, c) for a, c in rows],
        [(c, c) for _, c in rows],
    )


def measured_curve(known: Convergence) -> Curve:
    """The curve of measured points."""
    least, critical = fit_curve(known.points)
    assumed: tuple[str, ...] = ()
    if known.whole:
        batch, samples = known.whole
        least = samples / (1 + batch / critical)
        assumed = ("the critical batch of the measured part holds for the whole training",)
    batches = [batch for batch, _ in known.points]
    return Curve(
        least_samples=least,
        critical_batch=critical,
        measured=(
            f"samples to {known.target} at batches {min(batches):,} to {max(batches):,}: {known.source}"
        ),
        assumed=assumed,
    )


def decoder_curve(network: Network, *, batch: int, samples: float) -> Curve:
    """The curve of a decoder of which nothing is measured.

    Args:
        network: the decoder.
        batch: samples of a step of a usual training.
        samples: of such a training.
    """
    loss = (8.8e13 / network.parameters) ** 0.076
    critical = 2e8 / loss ** (1 / 0.21) / network.tokens
    return Curve(
        least_samples=samples / (1 + batch / critical),
        critical_batch=critical,
        assumed=(
            f"a critical batch of {critical * network.tokens:,.3g} tokens (Kaplan et al. 2020, eq. 1.1, 1.4)",
            f"{samples:,.4g} samples at batch {batch:,} reach the target",
        ),
    )
