"""A link between the processes of one machine from sweeps of all-reduce: latency and bandwidth.

The simulator prices a ring over n ranks of S bytes as

    launch + 2 (n - 1) alpha + 2 (n - 1)/n S / beta

(`simdl.communication.cost`: the launch is the library's, and sums hide behind messages unless memory is
slower than the link), so alpha and beta follow from two coefficients of a least-squares problem on relative
errors. Where processes share cores, the library's copies and sums are part of what a byte takes, and so of
beta.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from simdl.communication.library import load_library
from validation.calibration.least_squares import solve_relative
from validation.microbenchmarks.measurement import Measurement, quietest

LIBRARY = "gloo"
"""Collective library of `simdl.software.reader` on processors."""

LEAST_PACE = 1e-13
"""[s] per byte below which a bandwidth cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedReduce:
    """An all-reduce of ``nbytes`` [bytes] per rank: measured and predicted [s]."""

    nbytes: float
    seconds: float
    predicted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFit:
    """Latency [s], bandwidth [bytes/s], how well they fit in words, and on what."""

    latency: float
    bandwidth: float
    note: str
    rows: tuple[FittedReduce, ...] = ()


def fit_link(measurements: Iterable[Measurement]) -> LinkFit | None:
    """The link that all-reduces among these measurements show; None where there are fewer than two."""
    rows = [
        found for found in quietest(measurements).values() if found.case.kernel == "collective/all_reduce"
    ]
    if len(rows) < 2:
        return None
    ranks = rows[0].setting.processes
    steps = 2.0 * (ranks - 1)
    terms = np.array([[steps, steps / ranks * row.case.nbytes] for row in rows])
    seconds = np.array([row.value for row in rows])
    found = solve_relative(terms, seconds)
    predicted = terms @ found
    errors = np.abs(predicted / seconds - 1)
    latency, pace = (float(value) for value in found)
    note = f"{len(rows)} all-reduces of {ranks} processes, median error {np.median(errors):.1%}"
    latency = max(0.0, latency - load_library(LIBRARY).launch / steps)
    fitted = tuple(
        FittedReduce(nbytes=row.case.nbytes, seconds=row.value, predicted=float(value))
        for row, value in zip(rows, predicted, strict=True)
    )
    return LinkFit(latency=latency, bandwidth=1 / max(pace, LEAST_PACE), note=note, rows=fitted)
