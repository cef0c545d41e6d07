"""How well predictions order alternatives: rank correlation and regret.

Spearman's rho is the correlation of the ranks, ties sharing their average rank (Spearman 1904). Regret is
what choosing by prediction costs: measured time of the predicted best over the measured best, minus 1.
"""

from dataclasses import dataclass

import pandas as pd

from validation.published.alternatives import alternative_pairs, in_order, seconds_per_sample, told_apart

_TIMES = ["measured", "predicted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingSummary:
    """Ranking over all questions with alternatives that are predicted to differ.

    Attributes:
        groups: questions.
        rows: alternatives in them.
        mean_correlation: mean of Spearman's rho over questions, None where none has one.
        median_correlation: their median.
        mean_regret, max_regret: measured loss of choosing by prediction, as a fraction of the best.
        pairs: alternatives in pairs, where a step says by what causes.
        apart: pairs that are no ties (:mod:`simdl.report.ties`).
        in_order: share of those that were measured in the predicted order.
    """

    groups: int = 0
    rows: int = 0
    mean_correlation: float | None = None
    median_correlation: float | None = None
    mean_regret: float = 0.0
    max_regret: float = 0.0
    pairs: int = 0
    apart: int = 0
    in_order: float = 0.0


def rank_alternatives(scored: pd.DataFrame) -> RankingSummary:
    """Ranking of the scored rows of a frame of results, by seconds per sample.

    A question whose measurements are all equal has a regret and no correlation.
    """
    times = seconds_per_sample(scored)
    choices = times.groupby("question", sort=False)["predicted"].transform("nunique") > 1
    questions = times[choices].groupby("question", sort=False)
    if not len(questions):
        return RankingSummary()
    best = times[choices].sort_values(["predicted", "measured"]).groupby("question")["measured"].first()
    regret = best / questions["measured"].min() - 1
    correlations = questions[_TIMES].corr(method="spearman")["predicted"].xs("measured", level=-1).dropna()
    pairs = alternative_pairs(scored)
    apart = pairs[told_apart(pairs)]
    return RankingSummary(
        groups=len(questions),
        rows=int(choices.sum()),
        mean_correlation=float(correlations.mean()) if len(correlations) else None,
        median_correlation=float(correlations.median()) if len(correlations) else None,
        mean_regret=float(regret.mean()),
        max_regret=float(regret.max()),
        pairs=len(pairs),
        apart=len(apart),
        in_order=float(in_order(apart).mean()) if len(apart) else 0.0,
    )
