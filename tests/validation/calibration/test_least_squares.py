"""Least squares without negative coefficients: optimal, and exact where an exact solution exists."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validation.calibration.least_squares import solve_nonnegative, solve_relative

pytestmark = pytest.mark.theory


@st.composite
def problems(draw):
    """Terms and target of up to five unknowns, all of moderate size."""
    unknowns = draw(st.integers(1, 5))
    rows = draw(st.integers(unknowns, 12))
    numbers = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return numbers.uniform(0, 1, (rows, unknowns)), numbers.normal(0, 1, rows)


@pytest.mark.property
@settings(max_examples=60)
@given(problems())
def test_the_solution_is_optimal(problem):
    """Karush, Kuhn and Tucker: x >= 0, the gradient >= 0, and zero wherever x is above zero."""
    terms, target = problem
    found = solve_nonnegative(terms, target)
    gradient = terms.T @ (terms @ found - target)
    assert (found >= 0).all()
    assert (gradient >= -1e-5).all()
    assert np.abs(gradient[found > 0]).max(initial=0.0) < 1e-5


@pytest.mark.property
@settings(max_examples=40)
@given(problems(), st.integers(0, 2**32 - 1))
def test_an_exact_solution_is_found(problem, seed):
    terms, _ = problem
    truth = np.random.default_rng(seed).uniform(0, 1, terms.shape[1])
    found = solve_nonnegative(terms, terms @ truth)
    assert np.linalg.norm(terms @ (found - truth)) < 1e-3 * np.linalg.norm(terms @ truth)


def test_coefficients_of_very_different_sizes_are_found():
    """Seconds a launch, a FLOP and a byte lie ten powers of ten apart."""
    flops, nbytes = np.array([1e6, 1e7, 1e8, 1e9]), np.array([1e6, 4e5, 9e6, 1e7])
    terms = np.column_stack([np.ones(4), flops, nbytes])
    truth = np.array([5e-6, 1e-11, 5e-11])
    assert solve_relative(terms, terms @ truth) == pytest.approx(truth, rel=1e-4)


def test_a_term_that_would_be_negative_is_zero():
    terms = np.column_stack([np.ones(3), np.array([1.0, 2.0, 3.0])])
    found = solve_nonnegative(terms, np.array([3.0, 2.0, 1.0]))
    assert found[1] == 0.0
    assert found[0] == pytest.approx(2.0)  # the mean


def test_a_term_that_is_zero_in_every_row_is_zero():
    found = solve_nonnegative(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([2.0, 2.0]))
    assert found.tolist() == [pytest.approx(2.0), 0.0]


def test_one_bad_row_hardly_pulls_the_others():
    sizes = np.arange(1.0, 11.0)
    seconds = 3.0 * sizes
    seconds[4] *= 2
    (found,) = solve_relative(sizes[:, None], seconds)
    assert found == pytest.approx(3.0, rel=0.03)
