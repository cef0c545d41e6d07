"""Rank correlation and regret on cases whose answer is known by hand."""

import pytest

from validation.published.ranking import average_ranks, rank_predictions, spearman


def test_ties_share_their_average_rank():
    assert average_ranks([3.0, 1.0, 3.0, 2.0]) == [3.5, 1.0, 3.5, 2.0]


def test_correlation_of_the_textbook_formula_without_ties():
    # rho = 1 - 6 sum d^2 / (n (n^2 - 1)), d = (0, 1, -1, 0)
    assert spearman([1, 2, 3, 4], [10, 30, 20, 40]) == pytest.approx(1 - 6 * 2 / (4 * 15))


def test_reversed_order_is_minus_one():
    assert spearman([1, 2, 3], [9, 8, 7]) == pytest.approx(-1)


def test_constant_side_has_no_correlation():
    assert spearman([1, 2, 3], [5, 5, 5]) is None


def test_regret_is_the_loss_of_the_predicted_best():
    ranking = rank_predictions([2.0, 1.0, 4.0], [1.0, 1.5, 9.0])
    assert ranking.regret == pytest.approx(1.0)
    assert ranking.n == 3


def test_no_regret_when_the_predicted_best_is_the_measured_best():
    assert rank_predictions([2.0, 1.0], [20.0, 10.0]).regret == 0


def test_predicted_tie_takes_the_better_of_the_tied():
    assert rank_predictions([2.0, 1.0], [3.0, 3.0]).regret == 0
