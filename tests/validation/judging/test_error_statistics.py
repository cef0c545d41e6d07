"""How errors are scored, on cases whose answer is known by hand."""

import pytest

from validation.judging.statistics import ErrorStatistics, error_statistics


def test_rows_that_lack_a_side_are_not_scored():
    found = error_statistics([1.0, 1.0, 2.0, None, 3.0], [1.1, 0.8, 2.0, 9.0, None])
    assert found.n == 3
    assert found.mean == pytest.approx(0.1)
    assert found.median == pytest.approx(0.1)
    assert found.max == pytest.approx(0.2)
    assert found.bias == pytest.approx(-0.1 / 3)
    assert error_statistics([], []) == ErrorStatistics(n=0)


def test_the_90th_percentile_lies_between_rows():
    found = error_statistics([1.0] * 5, [1.0, 1.1, 1.2, 1.3, 1.4])
    assert found.p90 == pytest.approx(0.36)  # rank 0.9 x 4 = 3.6 from 0: between 0.3 and 0.4
