"""Least squares with coefficients that are not negative.

    minimise | A x - b |^2,  x >= 0

by the active-set method of Lawson and Hanson, "Solving Least Squares Problems" (1974), chapter 23: the
coefficient whose growth helps most becomes free, the free ones are solved for, and those that would fall
below zero are held at zero again. The problems here have a dozen unknowns.
"""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

TOLERANCE = 1e-12
"""Gradient, relative to the target, below which no coefficient is worth freeing."""

ROBUST_PASSES = 3


def solve_nonnegative(terms: Matrix, target: Matrix) -> Matrix:
    """The coefficients.

    Args:
        terms: shape (rows, unknowns).
        target: shape (rows,).

    Returns:
        Shape (unknowns,); zero for a term that is zero in every row.
    """
    scale = np.sqrt((terms**2).sum(axis=0))
    scaled = terms / np.where(scale > 0, scale, 1.0)
    found = np.zeros(terms.shape[1])
    free = np.zeros(terms.shape[1], dtype=bool)
    least = TOLERANCE * float(np.linalg.norm(target))
    for _ in range(3 * terms.shape[1]):
        gain = np.where(free, 0.0, scaled.T @ (target - scaled @ found))
        if gain.max(initial=0.0) <= least:
            break
        free[int(np.argmax(gain))] = True
        found = _solve_free(scaled, target, found, free)
    return found / np.where(scale > 0, scale, 1.0)


def _solve_free(terms: Matrix, target: Matrix, found: Matrix, free: NDArray[np.bool_]) -> Matrix:
    """The least squares of the free coefficients; those that reach zero on the way are freed no more."""
    while free.any():
        wanted = np.zeros_like(found)
        wanted[free] = np.linalg.lstsq(terms[:, free], target, rcond=None)[0]
        sinking = free & (wanted <= 0)
        if not sinking.any():
            return wanted
        step = (found[sinking] / np.maximum(found[sinking] - wanted[sinking], 1e-300)).min()
        found = found + step * (wanted - found)
        free &= found > 0
        free[sinking & (found <= 1e-14 * found.max(initial=0.0))] = False
        found[~free] = 0.0
    return np.zeros_like(found)


def solve_relative(terms: Matrix, seconds: Matrix) -> Matrix:
    """Coefficients that make the relative errors least.

    Rows off by more than the usual error weigh less in a second pass (Huber 1964), so that a shape where the
    library chose a bad kernel does not pull the others.

    Args:
        terms: shape (rows, unknowns).
        seconds: shape (rows,), above zero.
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
