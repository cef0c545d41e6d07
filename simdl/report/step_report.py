"""StepReport: the metrics of one simulated step; its dictionary form is the command line's JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simdl.report.certainty import Interval, step_interval
from simdl.report.communication import MessageUse
from simdl.report.operator_times import OperatorTime
from simdl.step.strategy import Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """Metrics of one step, base units.

    Attributes:
        step_time: [s].
        samples_per_s, tokens_per_s: throughput of the whole cluster.
        model_flops: flops of the step that MFU counts.
        mfu, hfu: model and hardware flops over peak.
        flop_rate_per_device: [FLOP/s] model flops per device and second.
        peak_memory: [bytes] on the worst rank.
        memory: [bytes] by part on the worst rank (adds up to ``peak_memory``).
        breakdown: [s] by cause, mean over pipeline ranks; adds up to ``step_time``.
        critical_path: [s] by cause along the critical path, longest first; adds up to ``step_time``.
        critical_operators: what the critical path consists of, longest first; adds up to ``step_time``.
        kernels: [s] by kind of kernel, mean over pipeline ranks; adds up to the passes and recomputation.
        communication: messages of the mean pipeline rank, hidden or not, those that take longest first.
        memory_bound_fraction: share of kernel time in kernels that memory bandwidth bounds.
        bubble_fraction: share of stage time idle because of pipeline dependencies.
        exposed_communication: [s] during which a rank communicates and computes nothing.
        weight_versions: of its parameters that a rank holds at most.
        staleness: updates by which a gradient lags behind at most; 0 where training is synchronous.
        strategy: the question.
        feasible: whether it fits.
        reasons: why not; the stage that misses by most first.
        warnings: extrapolations and assumptions.
        provenance: stack, profiles and kinds of sources behind the number, and seconds by what they rest on.
    """

    step_time: float
    samples_per_s: float
    tokens_per_s: float
    model_flops: float
    mfu: float
    hfu: float
    flop_rate_per_device: float
    peak_memory: float
    memory: Mapping[str, float]
    breakdown: Mapping[str, float]
    critical_path: Mapping[str, float]
    critical_operators: tuple[OperatorTime, ...]
    kernels: Mapping[str, float]
    communication: tuple[MessageUse, ...]
    memory_bound_fraction: float
    bubble_fraction: float
    exposed_communication: float
    weight_versions: int
    staleness: int
    strategy: Strategy
    feasible: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    provenance: Mapping[str, Any]

    def __repr__(self) -> str:
        fits = "" if self.feasible else ", does not fit"
        return f"<StepReport: {self.step_time:.4g} s, MFU {self.mfu:.1%}, {self.peak_memory:.4g} bytes{fits}>"

    @property
    def interval(self) -> Interval:
        """Range that holds the measured step time in nine of ten cases."""
        known = self.provenance.get("knowledge", "unknown")
        kind = self.provenance.get("kind", "other networks")
        drift = self.provenance.get("drift", 0.0)
        return step_interval(
            self.step_time, self.breakdown, known, kind=kind, kernels=self.kernels, drift=drift
        )
