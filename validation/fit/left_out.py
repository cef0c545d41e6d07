"""Sweeps predicted by a fit that has not seen their fabric: what another network may expect."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from validation.fit.least_squares import Vector
from validation.fit.links import fit_links, leave_out_fabrics, parameters, predict_rows
from validation.judging.statistics import ErrorStatistics, error_statistics
from validation.sweeps.compare import LARGE, Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricErrors:
    """Errors of the rows whose outermost link is one fabric, or of all: with it in the fit and without.

    Attributes:
        fitted, left_out: of rows of 1 MiB and more.
        small_fitted, small_left_out: of smaller ones.
    """

    fitted: ErrorStatistics
    left_out: ErrorStatistics
    small_fitted: ErrorStatistics
    small_left_out: ErrorStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Every row by both fits [s], errors by fabric, ``overall`` first, and how many numbers were fitted."""

    fitted: Vector
    left_out: Vector
    errors: dict[str, FabricErrors]
    parameters: int


def left_out_errors(rows: Sequence[Measured]) -> LeftOut:
    """Predict rows by a fit of all that are evidence, and without each fabric in turn."""
    fitted = predict_rows(rows, fit_links([row for row in rows if row.fitted]))
    left_out = leave_out_fabrics(rows)
    fabrics = np.array([row.fabric for row in rows])
    errors = {"overall": _errors(rows, fitted, left_out, np.full(len(rows), True))}
    for fabric in dict.fromkeys(fabrics.tolist()):
        errors[fabric] = _errors(rows, fitted, left_out, fabrics == fabric)
    return LeftOut(fitted=fitted, left_out=left_out, errors=errors, parameters=len(parameters()))


def _errors(rows: Sequence[Measured], fitted: Vector, left_out: Vector, own: Vector) -> FabricErrors:
    times = np.array([row.time for row in rows])
    large = np.array([row.size >= LARGE for row in rows])
    covered = np.isfinite(fitted) & np.isfinite(left_out)

    def of(predicted: Vector, chosen: Vector) -> ErrorStatistics:
        return error_statistics(times[chosen], predicted[chosen])

    big, small = own & large & covered, own & ~large & covered
    return FabricErrors(
        fitted=of(fitted, big),
        left_out=of(left_out, big),
        small_fitted=of(fitted, small),
        small_left_out=of(left_out, small),
    )
