"""Intervals on rows of groups that neither the fit nor the interval's own calibration has seen.

The width of a row follows from what is known of its software and from the causes of its seconds, by the rule
that users get (``simdl.report.certainty``). Spreads and factors of that rule are those that the rows of all
*other* groups give (``validation.transfer.spreads``), so that no row judges a number that was chosen on it.
"""

import pandas as pd

from validation.transfer.spreads import NORMAL, fitted_rule, log_errors, row_spreads


def with_intervals(results: pd.DataFrame) -> pd.DataFrame:
    """Results with ``width`` (log of the factor either way) and ``covered``, each group without its own rows.

    Args:
        results: of ``leave_out``.
    """
    parts = [
        row_spreads(own, fitted_rule(results[results["group"] != name])) * NORMAL
        for name, own in results.groupby("group", sort=False)
    ]
    width = pd.concat(parts).reindex(results.index)
    return results.assign(width=width, covered=log_errors(results).abs() <= width)
