"""Terms of kernels from their measurements: latency, flop rate and marginal bandwidths, none negative.

Every term of `hardware.kernel_terms` is linear in its coefficient (seconds per launch, per FLOP, per byte
of a tier), so a kernel's terms are one least-squares problem over its shapes, on relative errors. Caches are
the slower the larger they are, so what a tier adds to the pace of the one before it is not negative either;
sizes beyond those that were measured then cost at least what the largest did. Lanes are the width in
``LANES`` that fits best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, islice
from math import inf

import numpy as np

from hardware.kernel_terms import KernelTerms, Tier
from simdl.kernels.costs.terms import SINGLE, convolution_bytes, convolution_flops, operand_bytes
from simdl.kernels.kernel import ConvolutionCall, Kernel
from validation.calibration.least_squares import Matrix, solve_relative

STARTS = (0.0, 2.0**18, 2.0**22, 2.0**26)
"""[bytes] at which tiers start: private caches, a core's share, the last-level cache, memory."""

LANES = (1, 8, 16, 32)
FASTEST = 1e15
"""[bytes/s] written for a tier whose bytes cost nothing that could be seen."""

LEAST = 1e-15
"""[s] per FLOP or byte below which a term is taken as absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A kernel and the seconds it took.

    Attributes:
        kernel: as the simulator counts it.
        seconds: [s] that are its own.
        held_out: kept from the fit.
        dims: extents it was measured with.
        moment: [s] of the clock when it was; 0 where nobody says.
        slowed: by how much the machine was slower then than it usually was.
    """

    kernel: Kernel
    seconds: float
    held_out: bool = False
    dims: Mapping[str, int] = field(default_factory=dict)
    moment: float = 0.0
    slowed: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How the flops of a kernel are counted.

    Attributes:
        arithmetic: they have a term.
        padding: share of the zeros beside its image that a convolution multiplies too.
        lanes: channels of a convolution fill vectors of so many.
    """

    arithmetic: bool
    padding: float = 1.0
    lanes: int = 1


def fit_terms(rows: Sequence[Timed], count: Count) -> KernelTerms:
    """The terms that predict these rows best.

    Args:
        rows: of one kernel; at least one.
        count: of its flops; the lanes of convolutions are fitted.
    """
    widths = LANES if isinstance(rows[0].kernel.shape, ConvolutionCall) else LANES[:1]
    counts = [replace(count, lanes=lanes) for lanes in widths]
    return min((_fit(rows, each) for each in counts), key=lambda fit: fit[0])[1]


def _fit(rows: Sequence[Timed], count: Count) -> tuple[float, KernelTerms]:
    """Median relative error and terms for one width."""
    operands = tuple(_operands(rows[0].kernel))
    tiers = {name: _starts(rows, name) for name in operands}
    terms = np.array([_row(row.kernel, count, tiers) for row in rows])
    seconds = np.array([row.seconds for row in rows])
    found = solve_relative(terms, seconds)
    error = float(np.median(np.abs(terms @ found / seconds - 1)))
    return error, _terms(found, count, tiers)


def _starts(rows: Sequence[Timed], operand: str) -> tuple[float, ...]:
    """Tiers that at least two rows reach with more than one size; the first always, and alone for counts."""
    if operand == SINGLE:
        return STARTS[:1]
    sizes = sorted({_operands(row.kernel)[operand] for row in rows})
    return tuple(start for start in STARTS if start == 0.0 or sum(size > start for size in sizes) > 1)


def _operands(kernel: Kernel) -> Mapping[str, float]:
    if isinstance(kernel.shape, ConvolutionCall):
        return convolution_bytes(kernel.shape, kernel.dtype)
    return operand_bytes(kernel)


def _row(kernel: Kernel, count: Count, tiers: Mapping[str, Sequence[float]]) -> list[float]:
    """Coefficients of one row: launches, flops, and by operand the bytes beyond the start of every tier."""
    flops = kernel.flops
    if isinstance(kernel.shape, ConvolutionCall):
        flops = convolution_flops(kernel.shape, count.lanes, padding=count.padding)
    row = [1.0, flops if count.arithmetic else 0.0]
    sizes = _operands(kernel)
    for operand, starts in tiers.items():
        row += [max(0.0, sizes[operand] - start) for start in starts]
    return row


def _terms(found: Matrix, count: Count, tiers: Mapping[str, Sequence[float]]) -> KernelTerms:
    latency, second_per_flop, *added = (float(value) for value in found)
    rest = iter(added)
    traffic = {
        operand: tuple(
            Tier(start=start, bandwidth=_bandwidth(pace))
            for start, pace in zip(starts, accumulate(islice(rest, len(starts))), strict=True)
        )
        for operand, starts in tiers.items()
    }
    return KernelTerms(
        latency=latency,
        flop_rate=1 / second_per_flop if second_per_flop > LEAST else inf,
        lanes=count.lanes,
        padding=count.padding,
        traffic={name: found for name, found in traffic.items() if any(t.bandwidth < FASTEST for t in found)},
    )


def _bandwidth(pace: float) -> float:
    return 1 / pace if pace > LEAST else FASTEST
