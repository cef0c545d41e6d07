"""Statistics of relative errors: the one place that says how a prediction is scored.

The relative error of a row is predicted / measured - 1. The absolute errors give mean, median, 90th
percentile (linear interpolation) and maximum; the signed errors give the bias.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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


def error_sentence(what: str, errors: ErrorStatistics, *, skipped: int = 0, reason: str = "") -> str:
    """How far off predictions are, in one sentence.

    Args:
        what: was predicted, such as ``"steps of published runs"``.
        errors: of it.
        skipped: rows that could not be predicted.
        reason: why nothing was, where nothing was.

    Example:
        >>> error_sentence("kernels", ErrorStatistics(n=0), reason="there is no GPU")
        'No kernels were compared: there is no GPU.'
    """
    if not errors.n:
        return f"No {what} were compared: {reason or 'no row could be predicted'}."
    left = f"; {skipped:,} more could not be predicted" if skipped else ""
    if errors.n == 1:
        way = "longer" if errors.bias > 0 else "shorter"
        return f"One of the {what} is predicted, {errors.max:.1%} {way} than measured{left}."
    size = f"{abs(errors.bias):.1%}"
    direction = "long" if errors.bias > 0 else "short"
    bias = "neither long nor short" if size == "0.0%" else f"{size} too {direction}"
    return (
        f"{errors.n:,} {what} are predicted with a median error of {errors.median:.1%}, 90% of them within "
        f"{errors.p90:.1%} and the worst at {errors.max:.1%}; on the mean they are {bias}{left}."
    )


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


def weighted_quantile(values: NDArray[np.float64], weights: NDArray[np.float64], level: float) -> float:
    """The least value that is not below so large a share of the weight."""
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int((share < level).sum()), len(order) - 1)])
