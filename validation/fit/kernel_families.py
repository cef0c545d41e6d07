"""What a device's kernels achieve, told from other devices: the prior of a device without kernel tables.

Products reach a share f of their peak P until the board's power W limits the clock:

    fraction = f x min(1, W e / (f P)) ** slope,   e = e0 x growth ** (year of the process - 2020)

with one f, e0 [FLOP/J] and growth for products on matrix units and one for those on vector units: how many
operations a joule buys is a matter of the process. The limit is sharp, because the board's controller holds
the clock to its power. On matrix units the clock follows the power as in `hardware.sustained`, and P counts
operations of 16 bits: one of 8 bits moves half as many bits. On vector units the slope is 1, which is that of
a clock at the least voltage; boards of 70 to 75 W fix it. All other fractions are the geometric mean of the
same fraction on other devices, weighted by how near their architecture is; of convolutions, whose speed is
over that of products, it is of the share of the FP32 peak that both make.

Source: the limit is that of Choi et al., "A Roofline Model of Energy" (IPDPS 2013), section 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np

from hardware.architecture import Architecture, architecture_named, architectures
from hardware.device import Device
from hardware.power_shares import power_shares
from hardware.sustained import power_exponent
from simdl.kernels.costs.matmul import ELEMENT_SIZE
from validation.errors import MeasurementError
from validation.fit.least_squares import Vector, minimise, soften
from validation.fit.shared_numbers import shared_numbers

SCALE = 0.1
"""Log error of a fraction beyond which it pulls linearly."""
MATMUL = "matmul.fraction."
BRIEF = "matmul.brief."
FP32 = f"{MATMUL}fp32"
ALGORITHM = "convolution.fraction."
NARROW = frozenset({"tf32", "bf16", "fp8", "mxfp8", "fp4", "int8"})
"""Formats that only matrix units multiply."""
SIXTEEN = frozenset({"fp16", "bf16"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Fractions that a device's own rows gave.

    Attributes:
        device: it.
        fractions: by dotted name.
        rows: how many rows stand behind each.
    """

    device: Device
    fractions: Mapping[str, float]
    rows: Mapping[str, int]


def architecture(device: Device) -> Architecture:
    """A device's architecture, with its year and family.

    Raises:
        MeasurementError: ``hardware/data/architectures.toml`` does not say them.
    """
    found = architecture_named(device.generation)
    if not found.year:
        known = ", ".join(sorted(name for name, each in architectures().items() if each.year))
        raise MeasurementError(
            f"hardware/data/architectures.toml: no year of {device.generation!r} ({device.name}); it has "
            f"those of {known}"
        )
    return found


def family_fractions(device: Device, others: Sequence[Fitted]) -> dict[str, float]:
    """Fractions of a device by dotted name, from what rows of other devices gave.

    Args:
        device: whose own fractions are not read, only its peaks, power and architecture.
        others: at least one.

    Returns:
        every fraction that at least one of the others has; those of products by each dtype of the device.

    Raises:
        MeasurementError: an architecture is not listed.
    """
    names = dict.fromkeys(name for other in others for name in other.fractions)
    found = {name: _mean(device, name, others) for name in names if not name.startswith((MATMUL, BRIEF))}
    for matrix in (True, False):
        points = [point for other in others for point in _points(other, device) if point.matrix is matrix]
        if points:
            slope = _slope(matrix=matrix)
            law = _fit_law(points, slope)
            for dtype in device.peak_flop_rate:
                if _on_matrix_units(device, dtype) is matrix:
                    adds, (demand, year) = _accumulation(device, dtype), _demand(device, dtype)
                    found[f"{MATMUL}{dtype}"] = adds * _law(law, demand, year, slope)
                    found[f"{BRIEF}{dtype}"] = adds * _law(law, _briefly(demand), year, slope)
    products = found.get(FP32, device.matmul.fraction.get("fp32", 1.0))
    return {name: value / products if name.startswith(ALGORITHM) else value for name, value in found.items()}


def _mean(device: Device, name: str, others: Sequence[Fitted]) -> float:
    """Geometric mean of a fraction over the devices that have it, near ones before others."""
    weights, logs = [], []
    for other in others:
        if name not in other.fractions:
            continue
        weights.append(_nearness(device, other.device))
        products = _products(other) if name.startswith(ALGORITHM) else 1.0
        logs.append(log(other.fractions[name] * products))
    return exp(float(np.average(logs, weights=weights)))


def _nearness(device: Device, other: Device) -> float:
    """Weight of another device's fractions: 1 of the same architecture."""
    if device.generation == other.generation:
        return 1.0
    here, there = architecture(device), architecture(other)
    shared = shared_numbers()
    near = shared.other_architecture * exp(-abs(here.year - there.year) / shared.years)
    return near if here.family == there.family else shared.other_family * near


def _products(other: Fitted) -> float:
    """Share of the FP32 peak that a device's products reach."""
    return other.fractions.get(FP32, other.device.matmul.fraction.get("fp32", 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """A fraction that products of one dtype reached, and what it depends on."""

    matrix: bool
    demand: float  # [FLOP/J] of the peak at the board's power
    year: int
    fraction: float
    weight: float


def _points(other: Fitted, device: Device) -> list[_Point]:
    near = _nearness(device, other.device)
    points = []
    for name, fraction in other.fractions.items():
        if not name.startswith((MATMUL, BRIEF)):
            continue
        dtype = name.rpartition(".")[2]
        demand, year = _demand(other.device, dtype)
        demand = _briefly(demand) if name.startswith(BRIEF) else demand
        adds = _accumulation(other.device, dtype)
        points.append(
            _Point(
                matrix=_on_matrix_units(other.device, dtype),
                demand=demand,
                year=year,
                fraction=fraction / adds,
                weight=near * min(1.0, other.rows[name] / shared_numbers().enough_rows),
            )
        )
    return points


def _on_matrix_units(device: Device, dtype: str) -> bool:
    """Whether matrix units multiply this dtype: vector units reach at most twice their FP32 rate, in FP16."""
    most = device.vector_flop_rate * (1.0 if dtype == "fp32" else 2.0)
    return dtype in NARROW or device.flop_rate(dtype) > 1.25 * most


def _accumulation(device: Device, dtype: str) -> float:
    """Share of the peak that sums in FP32 leave, which frameworks ask of 16-bit products too.

    Vector units form them at their FP32 rate then (``CUBLAS_COMPUTE_32F``): P100's at 0.41 of the FP16 peak.
    """
    if dtype not in SIXTEEN or _on_matrix_units(device, dtype):
        return 1.0
    return min(1.0, device.vector_flop_rate / device.flop_rate(dtype))


def _demand(device: Device, dtype: str) -> tuple[float, int]:
    """[FLOP/J] that the peak asks of the board's power, 0 where none is published; year of the process.

    Operations of matrix units are told in those of 16 bits: one of 8 bits moves half as many.
    """
    rate = device.flop_rate(dtype) * _accumulation(device, dtype)
    width = ELEMENT_SIZE[dtype] / 2 if _on_matrix_units(device, dtype) else 1.0
    demand = rate * width / device.power if device.power else 0.0
    return demand, architecture(device).process


def _briefly(demand: float) -> float:
    """The demand [FLOP/J] of products that are over before the limit acts in full."""
    return demand / power_shares().momentary


def _slope(*, matrix: bool) -> float:
    """How a clock at the limit follows the power for each operation: dlog(clock) / dlog(power)."""
    return power_exponent() if matrix else 1.0


def _law(law: Vector, demand: float, year: int, slope: float) -> float:
    """Share of the peak at this demand [FLOP/J] with the process of this year."""
    best = 1 / (1 + exp(-law[0]))
    affordable = exp(law[1] + law[2] * (year - 2020))
    return float(best * min(1.0, affordable / (best * demand)) ** slope) if demand else float(best)


def _fit_law(points: Sequence[_Point], slope: float) -> Vector:
    priors = (shared_numbers().best, shared_numbers().growth)
    measured = np.array([log(point.fraction) for point in points])
    weights = np.sqrt([point.weight for point in points])

    def residuals(law: Vector) -> Vector:
        predicted = np.array([log(_law(law, point.demand, point.year, slope)) for point in points])
        pulls = np.array(
            [(law[index] - mean) / spread for index, (mean, spread) in zip((0, 2), priors, strict=True)]
        )
        return np.concatenate((weights * soften((predicted - measured) / SCALE, 1.0), pulls))

    highest = max(point.demand * point.fraction for point in points)
    return minimise(residuals, np.array([priors[0][0], log(highest), priors[1][0]]))
