"""How steady a machine was while it was calibrated: how far its speed wandered, and what a probe took.

The guests of one host share its cores, caches and memory, so all kernels of a virtual machine slow down and
recover together. Kernels are measured in an order that takes those of a kind apart (`suite.first_round`), so
what all rows of a few seconds miss fits by that have not seen them is the machine's. Of every window the
median log of measured over fitted seconds is taken; the variance of these medians, less what they would vary
by if rows only scattered (a median's variance is pi/2 that of a mean), is the machine's drift squared. A
prediction rests on the windows of a calibration, and the step that it is held to lies in another one, so
drift widens intervals (`simdl.report.certainty`). The probe is kept unless rounds of kernels show that they
do not follow it: what it takes beside a step then says nothing of the step.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import log, pi, sqrt

import numpy as np

from hardware.cluster import Steadiness
from validation.calibration.residual import Residual
from validation.microbenchmarks.measurement import Measurement, is_followed, quietest, usual_pace

WINDOW = 4.0
"""[s] of one window: shorter than the seconds on end that a busy host takes from its guests."""
FEWEST_ROWS, FEWEST_WINDOWS = 8, 4
"""Rows of a window, and windows, from which they say something."""


def steadiness_of(measurements: Sequence[Measurement], residuals: Iterable[Residual]) -> Steadiness | None:
    """Drift and pace of a setting, 0 where kernels do not follow the probe; None where neither tells.

    Args:
        measurements: of one setting, every round.
        residuals: of their quietest rows.
    """
    drift = drift_between(_windows(residuals))
    pace = 0.0 if is_followed(measurements) is False else usual_pace(quietest(measurements).values())
    if drift is None and not pace:
        return None
    return Steadiness(drift=drift or 0.0, pace=pace)


def _windows(residuals: Iterable[Residual]) -> Mapping[int, list[float]]:
    """Logs of measured over fitted seconds by window, of rows that their fits have not seen.

    A fit follows the rows that it has seen, their slow moments included. Rows are told as they were measured:
    not at one speed, because a step that is held to a prediction lies at the speed of its own moment.
    """
    windows: dict[int, list[float]] = defaultdict(list)
    for row in residuals:
        if row.timed.held_out and row.timed.moment > 0 and row.predicted > 0:
            told = log(row.timed.slowed * row.timed.seconds / row.predicted)
            windows[int(row.timed.moment // WINDOW)].append(told)
    return windows


def drift_between(windows: Mapping[int, list[float]]) -> float | None:
    """Log spread that windows show beyond what their own rows scatter by; None where they are too few.

    Args:
        windows: logs of measured over fitted seconds.
    """
    told = [np.array(found) for found in windows.values() if len(found) >= FEWEST_ROWS]
    if len(told) < FEWEST_WINDOWS:
        return None
    medians = [float(np.median(found)) for found in told]
    scatter = [pi / 2 * _spread(found) ** 2 / len(found) for found in told]
    return sqrt(max(0.0, float(np.var(medians, ddof=1)) - float(np.mean(scatter))))


def _spread(logs: np.ndarray) -> float:
    """Standard deviation by the median of deviations, which a few bad fits do not raise."""
    return 1.4826 * float(np.median(np.abs(logs - np.median(logs))))
