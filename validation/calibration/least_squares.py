"""Least squares with coefficients that are not negative.

    minimise | A x - b |^2,  x >= 0

by cyclic coordinate descent, which converges for this convex problem (Franc, Hlavac and Navara 2005,
"Sequential Coordinate-Wise Algorithm for the Non-negative Least Squares Problem"). The problems here have a
dozen unknowns.
"""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

CYCLES = 5000
TOLERANCE = 1e-10


def solve_nonnegative(terms: Matrix, target: Matrix) -> Matrix:
    """The coefficients.

    Args:
        terms: shape (rows, unknowns).
        target: shape (rows,).

    Returns:
        Shape (unknowns,); zero for a term that is zero in every row.
    """
    scale = np.sqrt((terms**2).sum(axis=0))
    used = scale > 0
    scaled = terms[:, used] / scale[used]
    gram, right = scaled.T @ scaled, scaled.T @ target
    x = np.zeros(right.size)
    for _ in range(CYCLES):
        before = x.copy()
        for index in range(x.size):
            x[index] = max(0.0, x[index] + right[index] - gram[index] @ x)
        if np.abs(x - before).max(initial=0.0) <= TOLERANCE * max(1.0, x.max(initial=0.0)):
            break
    found = np.zeros(terms.shape[1])
    found[used] = x / scale[used]
    return found


def solve_relative(terms: Matrix, seconds: Matrix) -> Matrix:
    """Coefficients that make the relative errors least, shrunk once towards rows that they fit.

    Rows off by more than the usual error weigh less in a second pass (Huber 1964), so that a shape where the
    library chose a bad kernel does not pull the others.
    """
    relative = terms / seconds[:, None]
    ones = np.ones(seconds.size)
    found = solve_nonnegative(relative, ones)
    for _ in range(ROBUST_PASSES):
        error = np.abs(relative @ found - ones)
        bound = max(1.5 * float(np.median(error)), 0.02)
        weight = np.sqrt(np.minimum(1.0, bound / np.maximum(error, 1e-12)))
        found = solve_nonnegative(relative * weight[:, None], ones * weight)
    return found


ROBUST_PASSES = 3
