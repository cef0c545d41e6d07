"""Memory checks on published rows: printed peaks, runs that failed for lack of memory, and runs that did not.

A run that failed should be predicted not to fit, and a run that was measured should be predicted to fit.
"""

from dataclasses import dataclass

import pandas as pd

from validation.judging.statistics import ErrorStatistics, error_statistics


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


def check_memory(results: pd.DataFrame) -> MemoryCheck:
    """Check the simulated rows of a frame of results."""
    simulated = results[results["feasible"].notna()]
    fits, failed = simulated["feasible"].astype(bool), simulated["out_of_memory"].astype(bool)
    ran = simulated["measured"].notna() & ~failed
    return MemoryCheck(
        failed=int(failed.sum()),
        failed_predicted=int((failed & ~fits).sum()),
        ran=int(ran.sum()),
        ran_predicted=int((ran & fits).sum()),
        peaks=error_statistics(simulated["measured_memory"], simulated["predicted_memory"]),
    )
