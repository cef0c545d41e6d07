"""How well predictions order alternatives: rank correlation and regret.

Spearman's rho is the correlation of the ranks, ties sharing their average rank (Spearman 1904). Regret is
what choosing by prediction costs: measured time of the predicted best over the measured best, minus 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Order of the alternatives of one question, such as the strategies of a model on so many devices.

    Attributes:
        n: alternatives.
        correlation: Spearman's rho, None where all predictions or all measurements are equal.
        regret: 0 when the predicted best is the measured best.
    """

    n: int
    correlation: float | None
    regret: float


def rank_predictions(measured: Sequence[float], predicted: Sequence[float]) -> Ranking:
    """Ranking of alternatives by time (less is better).

    Args:
        measured: at least one time, above 0.
        predicted: as many.
    """
    best = min(range(len(predicted)), key=lambda i: (predicted[i], measured[i]))
    return Ranking(
        n=len(measured),
        correlation=spearman(measured, predicted),
        regret=measured[best] / min(measured) - 1,
    )


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Correlation of ranks in [-1, 1]; None where either side is constant."""
    return _correlation(average_ranks(first), average_ranks(second))


def average_ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1 in increasing order; equal values share the mean of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for position in order[start:end]:
            ranks[position] = (start + 1 + end) / 2
        start = end
    return ranks


def _correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    mean = (len(first) + 1) / 2
    products = sum((a - mean) * (b - mean) for a, b in zip(first, second, strict=True))
    spread = sqrt(sum((a - mean) ** 2 for a in first) * sum((b - mean) ** 2 for b in second))
    return products / spread if spread else None
