"""Memory checks on published rows: printed peaks, runs that failed for lack of memory, and runs that did not.

A run that failed should be predicted not to fit, and a run that was measured should be predicted to fit.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from validation.judging.statistics import ErrorStatistics, error_statistics
from validation.published.prediction import RowResult


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCheck:
    """Counts and errors of memory predictions.

    Attributes:
        failed: simulated runs that ran out of memory in the measurement.
        failed_predicted: of them, those predicted not to fit.
        ran: simulated runs with a measured time.
        ran_predicted: of them, those predicted to fit.
        peaks: relative errors of the predicted against the printed peak.
    """

    failed: int
    failed_predicted: int
    ran: int
    ran_predicted: int
    peaks: ErrorStatistics


def check_memory(results: Iterable[RowResult]) -> MemoryCheck:
    """Check the simulated rows of a set."""
    failed: list[bool] = []
    ran: list[bool] = []
    peaks: list[tuple[float, float]] = []
    for result in results:
        if result.setup is None or result.report is None:
            continue
        if result.setup.out_of_memory:
            failed.append(not result.report.feasible)
        elif result.setup.measured is not None:
            ran.append(result.report.feasible)
        if result.setup.measured_memory is not None:
            peaks.append((result.setup.measured_memory, result.report.peak_memory))
    return MemoryCheck(
        failed=len(failed),
        failed_predicted=sum(failed),
        ran=len(ran),
        ran_predicted=sum(ran),
        peaks=error_statistics(peaks),
    )
