"""Intervals on rows of groups that neither the fit nor the interval's own calibration has seen.

The width of a row follows from what is known of its software and from the causes of its seconds
(``simdl.report.certainty``). A factor for each kind of network (``groups.stratum``) scales them, so that the
wanted share of the rows of that kind in all *other* groups lies within (split conformal prediction with
normalised residuals: Papadopoulos et al. 2002, Lei et al. 2018, arXiv:1604.04173; by kind: Vovk et al. 2005,
section 4.5, "Mondrian"). ``python -m validation.transfer.spreads`` refits the spreads themselves.
"""

from statistics import NormalDist

import numpy as np
import pandas as pd

from simdl.report.certainty import SPREAD_CAUSES, spreads

LEVEL = 0.9
DISCOUNT = 0.25
"""A row weighs its group's size to minus this power, so that one sweep does not decide for everybody."""


def with_intervals(results: pd.DataFrame, *, level: float = LEVEL) -> pd.DataFrame:
    """Results with ``width`` (log of the factor either way) and ``covered``, each group without its own rows.

    Args:
        results: of ``leave_out``.
        level: probability that an interval shall hold the measured time.
    """
    errors = np.abs(np.log(results["left_out"] / results["measured"]))
    normal = NormalDist().inv_cdf((1 + level) / 2)
    width = _spreads(results) * normal
    for _, own in results.groupby(["group", "stratum"], sort=False):
        others = results[(results["group"] != own["group"].iloc[0])]
        width[own.index] *= calibrated(others[others["stratum"] == own["stratum"].iloc[0]], level=level)
    return results.assign(width=width, covered=errors <= width)


def calibrated(results: pd.DataFrame, *, level: float = LEVEL) -> float:
    """Factor on the shipped spreads with which the wanted share of rows is covered; 1 without rows."""
    if not len(results):
        return 1.0
    sizes = results.groupby("group")["group"].transform("size").astype(float)
    errors = np.abs(np.log(results["left_out"] / results["measured"]))
    frame = pd.DataFrame({"ratio": errors / _spreads(results), "weight": sizes**-DISCOUNT})
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
    squares = own["common"] ** 2 + sum((results[cause] * own[cause]) ** 2 for cause in SPREAD_CAUSES)
    return np.sqrt(squares.astype(float))
