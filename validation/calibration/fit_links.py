"""A link between the processes of one machine from sweeps of all-reduce: latency and bandwidth.

The simulator prices a ring over n ranks of S bytes as

    2 (n - 1) alpha + 2 (n - 1)/n S / beta + (n - 1)/n S gamma

(`simdl.collectives.ring`), gamma being the seconds to sum a byte, so alpha and beta follow from two
coefficients of a least-squares problem on relative errors. Where processes share cores, the library's
copies are part of what a byte takes, and so of beta.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from validation.calibration.least_squares import solve_relative
from validation.microbenchmarks.measurement import Measurement, quietest

SUM_TRAFFIC = 3
"""Bytes that summing a byte moves: two are read, one is written (`simdl.collectives.cost`)."""

LEAST_PACE = 1e-13
"""[s] per byte below which a bandwidth cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFit:
    """Latency [s], bandwidth [bytes/s] and how well they fit."""

    latency: float
    bandwidth: float
    note: str


def fit_link(measurements: Iterable[Measurement], memory_bandwidth: float) -> LinkFit | None:
    """The link that these all-reduces show; None where there are fewer than two.

    Args:
        measurements: of any kind.
        memory_bandwidth: [bytes/s] of the device, on which sums are priced.
    """
    rows = [
        found for found in quietest(measurements).values() if found.case.kernel == "collective/all_reduce"
    ]
    if len(rows) < 2:
        return None
    ranks = rows[0].setting.processes
    steps = 2.0 * (ranks - 1)
    terms = np.array([[steps, steps / ranks * row.case.nbytes] for row in rows])
    seconds = np.array([row.value for row in rows])
    latency, pace = (float(value) for value in solve_relative(terms, seconds))
    errors = np.abs(terms @ np.array([latency, pace]) / seconds - 1)
    note = f"{len(rows)} all-reduces of {ranks} processes, median error {np.median(errors):.1%}"
    pace -= SUM_TRAFFIC / memory_bandwidth / 2
    return LinkFit(latency=latency, bandwidth=1 / max(pace, LEAST_PACE), note=note)
