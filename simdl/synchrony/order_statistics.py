"""Order statistics: the expected k-th smallest of n independent draws, and of what follows from it.

The share of a distribution below its k-th smallest of n draws has the density of Beta(k, n - k + 1) (David
and Nagaraja 2003, Order Statistics, section 2.1), so the expectation is an integral over shares in (0, 1),
here by the midpoint rule in log-odds.
"""

from collections.abc import Callable
from math import exp, lgamma, log

from simdl.errors import SimdlError

POINTS = 20_000


def expected_order_statistic(value: Callable[[float], float], k: int, n: int) -> float:
    """Expectation of ``value`` at the share of the k-th smallest of n draws.

    Args:
        value: non-decreasing function of a share in (0, 1), such as a quantile function.
        k: 1 for the smallest of them, n for the largest.
        n: draws.

    Raises:
        SimdlError: k is not one of 1 to n.
    """
    if not 1 <= k <= n:
        raise SimdlError(f"order statistic {k} of {n} draws; expected 1 to {n}")
    scale = lgamma(n + 1) - lgamma(k) - lgamma(n - k + 1)
    total = weights = 0.0
    for u in _shares(k, n):
        weight = exp(scale + (k - 1) * log(u) + (n - k) * log(1.0 - u)) * u * (1.0 - u)
        total += weight * value(u)
        weights += weight
    return total / weights


def _shares(k: int, n: int) -> list[float]:
    """Shares equally far apart in log-odds, where the density of the k-th of n lies."""
    centre, width = log(k) - log(n - k + 1), 9.0 * (1.0 / k + 1.0 / (n - k + 1)) ** 0.5
    low, high = centre - width - 3.0, centre + width + 3.0
    odds = (low + (high - low) * (index + 0.5) / POINTS for index in range(POINTS))
    return [1.0 / (1.0 + exp(-each)) for each in odds]
