"""Memory checks on published rows: printed peaks, runs that failed for lack of memory, and runs that did not.

A run that failed should be predicted not to fit, and a run that was measured should be predicted to fit. One
rule says what a device can hold: its capacity less the stack's ``memory_reserve``.
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
    """Check the simulated rows of a frame of results, failures that printed batches imply among them."""
    simulated = results[results["feasible"].notna()]
    fits, failed, ran = _outcomes(simulated)
    return MemoryCheck(
        failed=int(failed.sum()),
        failed_predicted=int((failed & ~fits).sum()),
        ran=int(ran.sum()),
        ran_predicted=int((ran & fits).sum()),
        peaks=error_statistics(simulated["measured_memory"], simulated["predicted_memory"]),
    )


def wrong_rows(results: pd.DataFrame) -> pd.DataFrame:
    """Rows that ran and are refused, or failed and are predicted to fit, with ``outcome`` in words."""
    simulated = results[results["feasible"].notna()]
    fits, failed, ran = _outcomes(simulated)
    wrong = simulated[(failed & fits) | (ran & ~fits)]
    return wrong.assign(outcome=failed[wrong.index].map({True: "out of memory", False: "ran"}))


def _outcomes(simulated: pd.DataFrame) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Per row whether it is predicted to fit, failed, and ran."""
    fits, failed = simulated["feasible"].astype(bool), simulated["out_of_memory"].astype(bool)
    return fits, failed, simulated["measured"].notna() & ~failed
