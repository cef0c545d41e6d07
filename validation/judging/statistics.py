"""Statistics of relative errors: the one place that says how a prediction is scored.

The relative error of a row is predicted / measured - 1. The absolute errors give mean, median, 90th
percentile (linear interpolation) and maximum; the signed errors give the bias.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorStatistics:
    """Relative errors of ``n`` rows; all fields but ``n`` are fractions, and 0 when there is no row.

    Attributes:
        n: rows.
        mean: mean absolute error.
        median: median absolute error.
        p90: 90th percentile of the absolute errors.
        max: largest absolute error.
        bias: mean signed error.
    """

    n: int
    mean: float = 0.0
    median: float = 0.0
    p90: float = 0.0
    max: float = 0.0
    bias: float = 0.0


def error_statistics(pairs: Iterable[tuple[float, float]]) -> ErrorStatistics:
    """Statistics of (measured, predicted) pairs, in any unit that both share."""
    errors = np.array([predicted / measured - 1 for measured, predicted in pairs])
    if not errors.size:
        return ErrorStatistics(n=0)
    size = np.abs(errors)
    return ErrorStatistics(
        n=int(errors.size),
        mean=float(size.mean()),
        median=float(np.median(size)),
        p90=float(np.percentile(size, 90)),
        max=float(size.max()),
        bias=float(errors.mean()),
    )
