"""What other processes did while steps were measured, and how far that may have stretched a step.

Processes that want more than the cores there are share them, so where others kept L of C cores busy a step
that uses all of them had C - L at the least: it may have taken C / (C - L) times as long, and never less.
What the guests of one host do to each other shows in no load, but in how far runs of a case lie apart: the
quickest may itself have taken so much longer than it would alone.
"""

import os
from collections.abc import Sequence
from dataclasses import replace

from simdl.report.certainty import Interval
from validation.calibration.verdict import LOAD
from validation.judging.statistics import ErrorStatistics, error_statistics
from validation.real_steps.runs import HardwareRow

STEADY = 0.03
"""Spread of a case's runs under which its error is held to the goal."""
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
    return replace(quiet, high=quiet.high * (1 + row.spread) / (1 - share))


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


def steady_errors(rows: Sequence[HardwareRow]) -> ErrorStatistics:
    """Errors of step time of cases whose runs lie close together."""
    done = [
        (row.step_time, row.predicted.step_time)
        for row in rows
        if row.measured and row.predicted and row.spread < STEADY
    ]
    return error_statistics([measured for measured, _ in done], [predicted for _, predicted in done])


def own_cores() -> int:
    """Cores of this machine."""
    return os.cpu_count() or 1
