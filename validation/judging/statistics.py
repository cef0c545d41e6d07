"""Statistics of relative errors: the one place that says how a prediction is scored.

The relative error of a row is predicted / measured - 1. The absolute errors give mean, median, 90th
percentile (linear interpolation) and maximum; the signed errors give the bias.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pandas as pd

Values: TypeAlias = pd.Series | Sequence[float | None]


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


def error_statistics(measured: Values, predicted: Values) -> ErrorStatistics:
    """Statistics of the rows that have both, in any unit that both share."""
    errors = (pd.Series(predicted, dtype=float) / pd.Series(measured, dtype=float) - 1).dropna()
    if errors.empty:
        return ErrorStatistics(n=0)
    size = errors.abs()
    return ErrorStatistics(
        n=len(errors),
        mean=float(size.mean()),
        median=float(size.median()),
        p90=float(size.quantile(0.9)),
        max=float(size.max()),
        bias=float(errors.mean()),
    )
