"""What other processes did while steps were measured, and how far that may have stretched a step.

Processes that want more than the cores there are share them, so where others kept L of C cores busy a step
that uses all of them had C - L at the least: it may have taken C / (C - L) times as long, and never less.
What the guests of one host do to each other shows in no load, but in how far runs of a case lie apart: the
quickest may itself have taken so much longer than it would alone. It also shows in a probe of the processor
that runs beside calibration and training (`validation/microbenchmarks/pace.py`): where the machine is slower
or faster than it was when it was calibrated, the interval reaches that far, and the error is told at the
speed of the calibration too.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from simdl.report.certainty import Interval
from validation.calibration.verdict import LOAD
from validation.judging.statistics import ErrorStatistics, error_statistics
from validation.real_steps.runs import HardwareRow

STEADY = 0.03
"""Spread of a case's runs, and drift of the machine since its calibration, below which goals hold."""
MOST = 0.9
"""Share of the cores that others are taken to have had, at most."""


def row_interval(row: HardwareRow, cores: int) -> Interval | None:
    """Interval that should hold the measured step of a calibrated machine; None where the case was skipped.

    Args:
        row: with what others did meanwhile.
        cores: of this machine.
    """
    if row.predicted is None:
        return None
    quiet = row.predicted.interval
    share = min(MOST, (row.others or 0.0) / cores)
    speed = 1 + (row.slower or 0.0)
    longest = max(1.0, speed) * (1 + row.spread) / (1 - share)
    return replace(quiet, low=quiet.low * min(1.0, speed), high=quiet.high * longest)


def is_within(row: HardwareRow, cores: int) -> bool:
    """Whether the measured step lies in its interval."""
    interval = row_interval(row, cores)
    if interval is None or row.measured is None:
        return False
    return interval.low <= row.step_time <= interval.high


def busiest(rows: Sequence[HardwareRow]) -> float | None:
    """Cores that others kept busy during the busiest case; None where the system does not tell."""
    return max((row.others for row in rows if row.others is not None), default=None)


def load_sentence(rows: Sequence[HardwareRow], cores: int) -> str:
    """What others did, in one sentence; empty where nobody tells."""
    most = busiest(rows)
    if most is None:
        return ""
    if most <= LOAD:
        return f"Quiet: others kept at most {most:.2f} of {cores} cores busy."
    return (
        f"Not quiet: others kept up to {most:.1f} of {cores} cores busy during a case, so that steps may be "
        "longer than on an idle machine; intervals are wider by that"
    )


def drift_sentence(rows: Sequence[HardwareRow]) -> str:
    """How the machine's speed compares with the calibration's, in one sentence; empty if nobody probed."""
    found = sorted(row.slower for row in rows if row.slower is not None)
    if not found:
        probed = any(row.measured.pace for row in rows if row.measured)
        return "Speed: unknown, because kernels of the calibration did not follow its probe" if probed else ""
    steady = sum(abs(slower) < STEADY for slower in found)
    return (
        f"Speed: a probe of the processor took {found[0]:+.0%} to {found[-1]:+.0%} longer beside steps than "
        f"beside the calibration, {median(found):+.1%} in the median; within {STEADY:.0%} for {steady} of "
        f"{len(found)} cases"
    )


def is_steady(row: HardwareRow) -> bool:
    """Whether a case's runs agree and the machine is as fast as it was when it was calibrated."""
    return row.spread < STEADY and abs(row.slower or 0.0) < STEADY


def agreeing_errors(rows: Sequence[HardwareRow]) -> ErrorStatistics:
    """Errors of step time of cases whose runs lie close together, at whatever speed of the machine."""
    return _errors([(row.step_time, row) for row in _done(rows) if row.spread < STEADY])


def steady_errors(rows: Sequence[HardwareRow]) -> ErrorStatistics:
    """Errors of step time of the steady cases (:func:`is_steady`)."""
    return _errors([(row.step_time, row) for row in _done(rows) if is_steady(row)])


def calibrated_errors(rows: Sequence[HardwareRow]) -> ErrorStatistics:
    """Errors of step time at the speed of the calibration, of all cases with a probe."""
    told = ((row.calibrated_time, row) for row in _done(rows))
    return _errors([(seconds, row) for seconds, row in told if seconds is not None])


def _done(rows: Sequence[HardwareRow]) -> list[HardwareRow]:
    return [row for row in rows if row.measured and row.predicted]


def _errors(pairs: Sequence[tuple[float, HardwareRow]]) -> ErrorStatistics:
    predicted = [row.predicted.step_time for _, row in pairs if row.predicted]
    return error_statistics([seconds for seconds, _ in pairs], predicted)


def own_cores() -> int:
    """Cores of this machine."""
    return os.cpu_count() or 1
