"""Least squares by damped steps (Levenberg 1944, Marquardt 1963) with a Jacobian of differences."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
STEP = 1e-4  # of the Jacobian's differences
LONGEST = 1.0  # of one step, in logarithms
TRIES = 8
ENOUGH = 1e-5  # relative fall of the loss at which steps end
STEPS = 40


def minimise(residuals: Callable[[Vector], Vector], start: Vector) -> Vector:
    """The parameters with the least sum of squared residuals near a start."""
    point, damping = start, 1e-2
    found = residuals(point)
    for _ in range(STEPS):
        jacobian = _jacobian(residuals, point, found)
        step = _step(residuals, point, found, jacobian, damping)
        if step is None:
            break
        moved, there, damping = step
        done = found @ found - there @ there < ENOUGH * (found @ found)
        point, found = moved, there
        if done:
            break
    return point


def _jacobian(residuals: Callable[[Vector], Vector], point: Vector, found: Vector) -> Vector:
    columns = np.empty((found.size, point.size))
    for index in range(point.size):
        moved = point.copy()
        moved[index] += STEP
        columns[:, index] = (residuals(moved) - found) / STEP
    return columns


def _step(
    residuals: Callable[[Vector], Vector], point: Vector, found: Vector, jacobian: Vector, damping: float
) -> tuple[Vector, Vector, float] | None:
    """A step that lowers the loss, what is there and the next damping; None where no step does."""
    curvature, slope = jacobian.T @ jacobian, jacobian.T @ found
    for _ in range(TRIES):
        damped = curvature + damping * np.diag(np.diag(curvature) + 1e-9)
        moved = point - np.clip(np.linalg.solve(damped, slope), -LONGEST, LONGEST)
        there = residuals(moved)
        if there @ there < found @ found:
            return moved, there, max(damping / 5, 1e-9)
        damping *= 4
    return None


def soften(errors: Vector, scale: float) -> Vector:
    """Residuals whose squares grow linearly beyond a scale, so that no few rows decide."""
    squares = 2 * (np.sqrt(1 + (errors / scale) ** 2) - 1)
    softened: Vector = np.sign(errors) * np.sqrt(squares)
    return softened
