"""From a file of measurements to a profile and its residuals."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from hardware.kernel_terms import KernelTerms, terms_time
from simdl.kernels.costs.terms import convolution_bytes, convolution_flops, operand_bytes
from simdl.kernels.kernel import ConvolutionCall, Kernel
from validation.calibration.fit_gpu import predict_rows
from validation.calibration.fit_links import fit_link
from validation.calibration.fit_software import fit_software
from validation.calibration.fit_terms import Count, Timed, fit_terms
from validation.calibration.gpu_profile import calibrate_gpu
from validation.calibration.profile import Fitted, fastest_rates
from validation.calibration.residual import Residual
from validation.calibration.rows import timed_kernels
from validation.calibration.steadiness import steadiness_of
from validation.errors import MeasurementError
from validation.microbenchmarks.backend import DeviceFacts
from validation.microbenchmarks.families.recurrence import WITHIN
from validation.microbenchmarks.measurement import Measurement, at_one_speed, quietest

ARITHMETIC = ("matmul", "convolution", "attention", "pooling")
"""Kinds whose time has a term in flops."""

STREAMING = ("elementwise", "reduction", "normalization", "softmax", "pooling", "gather")
"""Kinds whose kernels without terms of their own take terms pooled over the kind."""

FEWEST = 3
"""Rows below which nothing is fitted."""


def calibrate(
    measurements: Sequence[Measurement], facts: DeviceFacts, source: str
) -> tuple[Fitted, tuple[Residual, ...]]:
    """The profile of a setting's measurements, and what it leaves unexplained.

    Residuals are of terms fitted without the rows held out; the profile's own terms are fitted on all.

    Args:
        measurements: of one setting.
        facts: of the device.
        source: name of the file of measurements, for the citation.

    Raises:
        MeasurementError: too few rows to fit anything.
    """
    if facts.kind == "cuda":
        return _calibrate_gpu(measurements, facts, source)
    rounds, measurements = measurements, at_one_speed(measurements)
    rows = {key: found for key, found in timed_kernels(measurements).items() if len(found) >= FEWEST}
    if not rows:
        raise MeasurementError(f"{source}: no kernel has {FEWEST} rows or more; expected a whole run")
    residuals = tuple(residual for key, found in rows.items() for residual in _residuals(key, found))
    bandwidth = _copy_bandwidth(measurements, facts)
    fitted = Fitted(
        setting=measurements[0].setting,
        facts=facts,
        terms={**_pooled(rows), **{key: _fit(key, found) for key, found in rows.items()}, **_within(rows)},
        notes={**_notes(residuals), **dict.fromkeys(_within(rows), "part of a walk's call")},
        peak=fastest_rates(_products(rows)),
        bandwidth=bandwidth,
        link=fit_link(measurements),
        software=fit_software(measurements),
        steadiness=steadiness_of(rounds, residuals),
        source=source,
        date=_date(measurements),
    )
    return fitted, residuals


def _calibrate_gpu(
    measurements: Sequence[Measurement], facts: DeviceFacts, source: str
) -> tuple[Fitted, tuple[Residual, ...]]:
    """A GPU keeps the analytic model of its registered profile, with fractions of its own."""
    fit = calibrate_gpu(measurements, facts)
    residuals = tuple(
        Residual(key=key, timed=timed, predicted=predicted)
        for key, timed, predicted in predict_rows(fit, measurements)
    )
    fitted = Fitted(
        setting=measurements[0].setting,
        facts=facts,
        terms=fit.terms,
        notes=_notes(residuals),
        peak={},
        bandwidth=_copy_bandwidth(measurements, facts),
        link=None,
        gpu=fit,
        source=source,
        date=_date(measurements),
    )
    return fitted, residuals


def _date(measurements: Sequence[Measurement]) -> dt.date:
    return dt.date.fromisoformat(max(found.date for found in measurements)[:10])


def _fit(key: str, rows: Sequence[Timed]) -> KernelTerms:
    count = Count(arithmetic=key.partition("/")[0] in ARITHMETIC, padding=0.0 if "/direct/" in key else 1.0)
    return fit_terms(rows, count)


def _pooled(rows: Mapping[str, Sequence[Timed]]) -> dict[str, KernelTerms]:
    """Terms by kind, over all kernels of the kind that stream."""
    kinds: dict[str, list[Timed]] = defaultdict(list)
    for key, found in rows.items():
        kind = key.partition("/")[0]
        if kind in STREAMING:
            kinds[kind] += found
    return {kind: _fit(kind, found) for kind, found in kinds.items()}


def _within(rows: Iterable[str]) -> dict[str, KernelTerms]:
    """Terms of kernels that run in the call of a measured one: nothing beside it."""
    return {key: KernelTerms(latency=0.0) for walk in rows for key in WITHIN.get(walk, ())}


def _residuals(key: str, rows: Sequence[Timed]) -> list[Residual]:
    fitting = [row for row in rows if not row.held_out]
    if len(fitting) < FEWEST:
        return []
    terms = _fit(key, fitting)
    return [Residual(key=key, timed=row, predicted=predicted_time(terms, row.kernel)) for row in rows]


def predicted_time(terms: KernelTerms, kernel: Kernel) -> float:
    """[s] of a kernel by its terms, convolutions included."""
    if isinstance(kernel.shape, ConvolutionCall):
        flops = convolution_flops(kernel.shape, terms.lanes, padding=terms.padding)
        return terms_time(terms, flops, convolution_bytes(kernel.shape, kernel.dtype))
    return terms_time(terms, kernel.flops, operand_bytes(kernel))


def _notes(residuals: Sequence[Residual]) -> dict[str, str]:
    by_key: dict[str, list[Residual]] = defaultdict(list)
    for residual in residuals:
        by_key[residual.key].append(residual)
    return {key: _note(found) for key, found in by_key.items()}


def _note(residuals: Sequence[Residual]) -> str:
    parts = []
    for name, held_out in (("fitted", False), ("held out", True)):
        errors = [abs(r.error) for r in residuals if r.timed.held_out is held_out]
        if errors:
            parts.append(f"{len(errors)} rows {name}, median error {float(np.median(errors)):.1%}")
    return "; ".join(parts)


def _products(rows: Mapping[str, Sequence[Timed]]) -> list[tuple[str, float, float]]:
    """Dtype, flops and seconds of products that were timed alone, no part of a walk."""
    return [
        (row.kernel.dtype, row.kernel.flops, row.seconds)
        for key, found in rows.items()
        if key.startswith(("matmul/", "convolution/"))
        for row in found
        if "steps" not in row.dims
    ]


def _copy_bandwidth(measurements: Sequence[Measurement], facts: DeviceFacts) -> float:
    """[bytes/s] read and written by the fastest copy that is larger than the cache.

    Raises:
        MeasurementError: no copy was measured.
    """
    copies = [f for f in quietest(measurements).values() if f.case.kernel == "copy/device"]
    large = [found for found in copies if found.case.nbytes > facts.cache] or copies
    if not large:
        raise MeasurementError("no copy was measured; expected rows of copy/device")
    return max(found.case.nbytes / found.value for found in large)
