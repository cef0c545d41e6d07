"""How steady a machine was while it was calibrated: how far its speed wandered, and what a probe took.

The guests of one host share its cores, caches and memory, so all kernels of a virtual machine slow down and
recover together. Cases that were measured in several rounds tell: of every row, the log of its value over the
mean of its case; of a window of a few seconds, the median over its rows; and of the windows, their standard
deviation. What single rows scatter cancels within a window; what all of them share is the machine's drift. A
prediction rests on the windows of a calibration, and the step that it is held to lies in another one, so
drift widens intervals (`simdl.report.certainty`).
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import log, sqrt

import numpy as np

from hardware.cluster import Steadiness
from validation.microbenchmarks.measurement import Measurement, quietest

WINDOW = 4.0
"""[s] of one window: shorter than the seconds on end that a busy host takes from its guests."""
FEWEST_ROWS, FEWEST_WINDOWS = 5, 4
"""Rows of a window, and windows, from which they say something."""


def steadiness_of(measurements: Sequence[Measurement]) -> Steadiness | None:
    """Drift and pace of a setting's rows; None where neither rounds nor probes tell.

    Args:
        measurements: of one setting, every round.
    """
    drift, pace = _drift(measurements), _pace(measurements)
    if drift is None and pace is None:
        return None
    return Steadiness(drift=drift or 0.0, pace=pace or 0.0)


def _drift(measurements: Iterable[Measurement]) -> float | None:
    """Log spread of the machine's speed over windows; None where too little was measured twice."""
    windows: dict[int, list[float]] = defaultdict(list)
    for moment, deviation in _deviations(measurements):
        windows[int(moment // WINDOW)].append(deviation)
    medians = [float(np.median(found)) for found in windows.values() if len(found) >= FEWEST_ROWS]
    if len(medians) < FEWEST_WINDOWS:
        return None
    return float(np.std(medians, ddof=1))


def _deviations(measurements: Iterable[Measurement]) -> Iterable[tuple[float, float]]:
    """Of every row of a case with several rounds, its moment [s] and its log over the case's mean.

    A mean over n rounds follows each of them by 1/n, which the factor makes up for.
    """
    rounds: dict[str, list[Measurement]] = defaultdict(list)
    for found in measurements:
        if not found.skipped and found.unit == "s":
            rounds[found.case.key].append(found)
    for rows in rounds.values():
        if len(rows) < 2:
            continue
        mean = sum(log(row.value) for row in rows) / len(rows)
        factor = sqrt(len(rows) / (len(rows) - 1))
        for row in rows:
            yield dt.datetime.fromisoformat(row.date).timestamp(), factor * (log(row.value) - mean)


def _pace(measurements: Iterable[Measurement]) -> float | None:
    """[s] of the probe around the rows that were kept; None where nobody probed."""
    paces = [row.pace for row in quietest(measurements).values() if row.pace > 0]
    return float(np.median(paces)) if paces else None
