"""Rank correlation and regret on cases whose answer is known by hand."""

import numpy as np
import pandas as pd
import pytest

from validation.published.ranking import RankingSummary, rank_alternatives


def ranked(measured, predicted, *, unit="s", batch=1.0, question=("q",)):
    rows = zip(measured, predicted, strict=True)
    frame = pd.DataFrame(rows, columns=["measured", "predicted"], dtype=float)
    frame = frame.assign(unit=unit, batch=batch, question=[question] * len(frame), file="table.csv")
    shares = [np.array([1.0, 0.0, 0.0, 0.0])] * len(frame)
    return rank_alternatives(frame.assign(shares=shares, knowledge="fitted", kind="language models"))


def test_correlation_of_the_textbook_formula_without_ties():
    # rho = 1 - 6 sum d^2 / (n (n^2 - 1)), d = (0, 1, -1, 0)
    found = ranked([1, 2, 3, 4], [10, 30, 20, 40])
    assert found.mean_correlation == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert found.median_correlation == found.mean_correlation


def test_ties_share_their_average_rank():
    # ranks (3.5, 1, 3.5, 2) and (4, 1, 3, 2): covariance 4.5, variances 4.5 and 5
    found = ranked([3, 1, 3, 2], [9, 1, 4, 2])
    assert found.mean_correlation == pytest.approx(4.5 / (4.5 * 5) ** 0.5)


def test_reversed_order_is_minus_one():
    assert ranked([1, 2, 3], [9, 8, 7]).mean_correlation == pytest.approx(-1)


def test_equal_measurements_have_a_regret_and_no_correlation():
    found = ranked([5, 5, 5], [1, 2, 3])
    assert (found.groups, found.mean_correlation, found.mean_regret) == (1, None, 0)


def test_regret_is_the_loss_of_the_predicted_best():
    found = ranked([2, 1, 4], [1, 1.5, 9])
    assert found.mean_regret == pytest.approx(1.0)
    assert found.rows == 3


def test_no_regret_when_the_predicted_best_is_the_measured_best():
    assert ranked([2, 1], [20, 10]).max_regret == 0


def test_predicted_tie_takes_the_better_of_the_tied():
    assert ranked([2, 1, 9], [3, 3, 4]).max_regret == 0


def test_pairs_told_apart_are_counted_with_those_measured_in_order():
    # 1 and 1.001 are ties; each and 2 are not, of which the measured order of one is another
    found = ranked([1.5, 3, 2], [1, 1.001, 2])
    assert (found.pairs, found.apart, found.in_order) == (3, 2, 0.5)


def test_no_rows_are_no_question():
    assert ranked([], []) == RankingSummary()
