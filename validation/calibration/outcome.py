"""What a calibration found besides the profile: how well it fits, how far rounds and runs lie apart."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from validation.calibration.residual import Residual
from validation.microbenchmarks.measurement import Measurement, quietest, repeatability


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyError:
    """Sizes of relative errors of one family of kernels.

    Attributes:
        family: first part of the profile's keys.
        fitted, held_out: number of rows.
        fitted_median, held_out_median, held_out_p90: of the sizes of errors; None without rows.
    """

    family: str
    fitted: int
    held_out: int
    fitted_median: float | None
    held_out_median: float | None
    held_out_p90: float | None


def family_errors(residuals: Iterable[Residual]) -> tuple[FamilyError, ...]:
    """By family, errors of rows in the fit and of rows held out."""
    grouped: dict[str, list[Residual]] = defaultdict(list)
    for residual in residuals:
        grouped[residual.key.partition("/")[0]].append(residual)
    return tuple(_family(name, rows) for name, rows in grouped.items())


def _family(name: str, rows: Sequence[Residual]) -> FamilyError:
    fitted = [abs(row.error) for row in rows if not row.timed.held_out]
    held_out = [abs(row.error) for row in rows if row.timed.held_out]
    return FamilyError(
        family=name,
        fitted=len(fitted),
        held_out=len(held_out),
        fitted_median=_quantile(fitted, 0.5),
        held_out_median=_quantile(held_out, 0.5),
        held_out_p90=_quantile(held_out, 0.9),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far two measurements of the same cases lie apart.

    Attributes:
        cases: that both have.
        median, p90: of the relative differences' sizes.
        bias: median of the signed differences, second over first less one.
    """

    cases: int
    median: float
    p90: float
    bias: float


def agreement_of_rounds(measurements: Iterable[Measurement]) -> Agreement | None:
    """Of the rounds of one run, largest over least; None where there was one round only."""
    apart = list(repeatability(measurements).values())
    if not apart:
        return None
    return Agreement(
        cases=len(apart),
        median=float(np.median(apart)),
        p90=float(np.quantile(apart, 0.9)),
        bias=0.0,
    )


def agreement_of_runs(first: Iterable[Measurement], second: Iterable[Measurement]) -> Agreement | None:
    """Of two runs, by the value that each takes for a case; None where they share no case."""
    before, after = quietest(first), quietest(second)
    apart = [after[key].value / before[key].value - 1 for key in after if key in before]
    if not apart:
        return None
    return Agreement(
        cases=len(apart),
        median=float(np.median(np.abs(apart))),
        p90=float(np.quantile(np.abs(apart), 0.9)),
        bias=float(np.median(apart)),
    )


def skipped_cases(measurements: Iterable[Measurement]) -> Mapping[tuple[str, str], int]:
    """How many cases of a family were skipped for which reason."""
    return Counter((row.case.family, row.skipped) for row in measurements if row.skipped)


def contention(measurements: Iterable[Measurement]) -> Mapping[str, float]:
    """By kernel, its time beside copies over its time alone."""
    values = {
        (row.case.kernel, row.case.dims["copies"]): row.value
        for row in quietest(measurements).values()
        if row.case.family == "contention"
    }
    return {
        kernel: values[kernel, 1] / alone
        for (kernel, copies), alone in values.items()
        if copies == 0 and (kernel, 1) in values
    }


def _quantile(errors: Sequence[float], share: float) -> float | None:
    return float(np.quantile(errors, share)) if errors else None
