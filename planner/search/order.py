"""Order: which of two simulated plans comes first."""

from simdl.report.step_report import StepReport


def rank_key(report: StepReport) -> tuple[float, float, float]:
    """Faster steps first, then those that need less memory.

    Steps that wait for the same input pipeline all take its time; of those the one that trains fastest, and
    so has most to spare, comes first.
    """
    waiting = report.breakdown.get("input", 0.0)
    if not waiting:
        return report.step_time, report.step_time, report.peak_memory
    return float(f"{report.step_time:.9g}"), report.step_time - waiting, report.peak_memory
