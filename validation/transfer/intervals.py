"""Intervals on rows of groups that neither the fit nor the interval's own calibration has seen.

The width of a row follows from what is known of its software and from the causes of its seconds
(``simdl.report.certainty``). One factor scales all widths, so that the wanted share of rows of all *other*
groups lies within (split conformal prediction with normalised residuals: Papadopoulos et al. 2002, Lei et al.
2018, arXiv:1604.04173). Groups weigh by the root of their size, so that one sweep of a thousand rows does not
decide for everybody. ``python -m validation.transfer.spreads`` refits the spreads themselves.
"""

from statistics import NormalDist

import numpy as np
import pandas as pd

from simdl.report.certainty import CAUSES, spreads

LEVEL = 0.9


def with_intervals(results: pd.DataFrame, *, level: float = LEVEL) -> pd.DataFrame:
    """Results with ``width`` (log of the factor either way) and ``covered``, each group without its own rows.

    Args:
        results: of ``leave_out``.
        level: probability that an interval shall hold the measured time.
    """
    errors = np.abs(np.log(results["left_out"] / results["measured"]))
    normal = NormalDist().inv_cdf((1 + level) / 2)
    width = _spreads(results) * normal
    for _, own in results.groupby("group", sort=False):
        width[own.index] *= calibrated(results.drop(own.index), level=level)
    return results.assign(width=width, covered=errors <= width)


def calibrated(results: pd.DataFrame, *, level: float = LEVEL) -> float:
    """Factor on the shipped spreads with which the wanted share of rows is covered; 1 without rows."""
    if not len(results):
        return 1.0
    sizes = results.groupby("group")["group"].transform("size")
    errors = np.abs(np.log(results["left_out"] / results["measured"]))
    spread = _spreads(results)
    frame = pd.DataFrame({"ratio": errors / spread, "weight": 1 / np.sqrt(sizes.astype(float))})
    return weighted_quantile(frame, level) / NormalDist().inv_cdf((1 + level) / 2)


def weighted_quantile(frame: pd.DataFrame, level: float) -> float:
    """Weighted quantile of the ratios."""
    ordered = frame.sort_values("ratio")
    share = ordered["weight"].cumsum() / ordered["weight"].sum()
    return float(ordered["ratio"].iloc[min(int((share < level).sum()), len(ordered) - 1)])


def _spreads(results: pd.DataFrame) -> pd.Series:
    """Log spread of every row by the shipped spreads of what is known of it."""
    shipped = pd.DataFrame(spreads()).T
    own = shipped.loc[results["knowledge"]].set_index(results.index)
    squares = own["common"] ** 2 + sum((results[cause] * own[cause]) ** 2 for cause in CAUSES)
    return np.sqrt(squares.astype(float))
