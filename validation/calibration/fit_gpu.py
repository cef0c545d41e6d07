"""Fractions of a GPU's analytic model from measurements of that very GPU, and terms of what streams.

Products, attention and convolutions of a GPU go by tiles and waves (`simdl.kernels.costs`), which terms that
add up cannot follow. So the model stays, and only what it leaves open is fitted: the achieved fractions of a
profile, each on the rows that depend on it, by `validation.fit.kernels.fit_fraction`. Kernels that stream get
terms (`fit_terms`), and fractions besides for those that were not measured.

A convolution whose algorithm is known is priced by that algorithm alone. Where the library chose and did not
tell (PyTorch), rows are priced by the fastest, and all algorithms are scaled together.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from hardware.device import Device
from hardware.kernel_terms import KernelTerms
from simdl.kernels.cost_model import estimate_kernel_time
from simdl.kernels.costs.convolution import SLOWER_BACKWARD
from simdl.kernels.costs.convolution_launch import convolution_launches
from simdl.kernels.cudnn import find_algorithm, is_served
from simdl.kernels.kernel import AttentionCall, ConvolutionCall, Product
from validation.calibration.fit_terms import Count, Timed, fit_terms
from validation.calibration.rows import timed_kernels
from validation.fit.kernels import FASTEST, REDUCTIONS, STREAMS, fit_fraction
from validation.kernels.rows import KernelRow
from validation.microbenchmarks.measurement import Measurement
from workloads.operators import Pass

FEWEST = 5
"""Rows below which a fraction stays as the base has it."""

DIGITS = 4

Rows = Sequence[KernelRow]
Wanted = Callable[[KernelRow], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFit:
    """What measurements say of a GPU.

    Attributes:
        device: the base with these fractions and terms.
        fractions: that were fitted, by dotted name as under ``efficiency`` of a profile.
        rows: how many rows each was fitted on.
        terms: of kernels that stream.
    """

    device: Device
    fractions: Mapping[str, float]
    rows: Mapping[str, int]
    terms: Mapping[str, KernelTerms]


def fit_gpu_device(base: Device, measurements: Iterable[Measurement]) -> GpuFit:
    """The base with every fraction fitted that enough rows determine.

    Args:
        base: registered device with this GPU's peaks.
        measurements: of this GPU with one library; rows held out take no part.
    """
    # the host launches ahead of a GPU, so nothing that it spends around kernels is added to them
    keyed = timed_kernels(found for found in measurements if found.case.family != "launch")
    rows = [_row(key, timed) for key, found in keyed.items() for timed in found if not timed.held_out]
    device = replace(base, kernels={})
    fractions: dict[str, float] = {}
    counts: dict[str, int] = {}
    for path, wanted in _steps(device):
        used = [row for row in rows if wanted(row) and _can_price(row, device)]
        if len(used) < FEWEST:
            continue
        value = fit_fraction(used, partial(with_fraction, device, path), price_row, most=_most(path))
        device = with_fraction(device, path, round(value, DIGITS))
        counts[path] = len(used)
        fractions.update(_fractions(device, path))
    terms = {key: _terms(key, found) for key, found in keyed.items() if _streams(found)}
    return GpuFit(device=replace(device, kernels=terms), fractions=fractions, rows=counts, terms=terms)


ALL_ALGORITHMS = "convolution.fraction.*"
"""The largest fraction of all algorithms, the others in proportion."""


def _steps(device: Device) -> list[tuple[str, Wanted]]:
    """Fractions in the order in which they build on one another, with the rows that each is fitted on."""
    products = [(f"matmul.fraction.{dtype}", _is_product(dtype)) for dtype in device.peak_flop_rate]
    algorithms = [
        (f"convolution.fraction.{name}", _is_convolution(Pass.FORWARD, name))
        for name in device.convolution.fraction
    ]
    return [
        *products,
        ("memory.fraction", _is_kind(STREAMS)),
        ("memory.reduction", _is_kind(REDUCTIONS)),
        ("attention.forward", _is_attention(Pass.FORWARD)),
        ("attention.backward", _is_attention(Pass.INPUT_GRADIENT)),
        *algorithms,
        (ALL_ALGORITHMS, _is_convolution(Pass.FORWARD, "")),
        ("convolution.input_gradient", _is_slower(Pass.INPUT_GRADIENT)),
        ("convolution.weight_gradient", _is_slower(Pass.WEIGHT_GRADIENT)),
    ]


def _most(path: str) -> float:
    """That a step's number may be: kernels of a convolution may be faster than those of a product."""
    return FASTEST if path.startswith("convolution.fraction.") else 1.0


def _is_product(dtype: str) -> Wanted:
    return lambda row: bool(
        row.kernel and isinstance(row.kernel.shape, Product) and row.kernel.dtype == dtype
    )


def _is_kind(kinds: Iterable[object]) -> Wanted:
    return lambda row: bool(row.kernel and row.kernel.shape is None and row.kernel.kind in kinds)


def _is_attention(which: Pass) -> Wanted:
    return lambda row: bool(
        row.kernel and isinstance(row.kernel.shape, AttentionCall) and row.kernel.shape.which is which
    )


def _is_convolution(which: Pass, algorithm: str | None = None) -> Wanted:
    def wanted(row: KernelRow) -> bool:
        shape = row.kernel.shape if row.kernel else None
        fits = isinstance(shape, ConvolutionCall) and shape.which is which
        return fits and algorithm in {None, row.algorithm}

    return wanted


def _is_slower(which: Pass) -> Wanted:
    """Rows of a backward pass whose time its speed decides: spectra and tiles are multiplied alike in all."""
    in_pass = _is_convolution(which)

    def wanted(row: KernelRow) -> bool:
        known = find_algorithm(which, row.algorithm)
        reduction = known.reduction if known else row.algorithm
        return in_pass(row) and reduction in {"", *SLOWER_BACKWARD}

    return wanted


def offered_name(which: Pass, algorithm: str, device: Device) -> str:
    """What the model calls an algorithm that a measurement names: cuDNN has names of its own in each pass."""
    known = find_algorithm(which, algorithm) if is_served(device) else None
    return known.name if known else algorithm


def with_fraction(device: Device, path: str, value: float) -> Device:
    """The device with one fraction replaced.

    Args:
        device: any.
        path: such as ``matmul.fraction.fp32`` or ``attention.forward``.
        value: in [0, 1].
    """
    if path == ALL_ALGORITHMS:
        return _scaled(device, value)
    family, field, *key = path.split(".")
    efficiency = getattr(device, family)
    new = {**getattr(efficiency, field), key[0]: value} if key else value
    return replace(device, **{family: replace(efficiency, **{field: new})})


def _scaled(device: Device, largest: float) -> Device:
    fraction = device.convolution.fraction
    scale = largest / max(fraction.values())
    scaled = {name: round(value * scale, DIGITS) for name, value in fraction.items()}
    return replace(device, convolution=replace(device.convolution, fraction=scaled))


def _fractions(device: Device, path: str) -> dict[str, float]:
    """What a step has fitted, by dotted name."""
    if path == ALL_ALGORITHMS:
        return {f"convolution.fraction.{name}": v for name, v in device.convolution.fraction.items()}
    family, field, *key = path.split(".")
    found = getattr(getattr(device, family), field)
    return {path: found[key[0]] if key else found}


def price_row(row: KernelRow, device: Device) -> float:
    """[s] of a row, a convolution by the algorithm that ran."""
    kernel = row.kernel
    assert kernel is not None  # noqa: S101 (rows are made here)
    if row.algorithm and isinstance(kernel.shape, ConvolutionCall):
        launches = convolution_launches(kernel.shape, device, kernel.dtype, kernel.nbytes)
        name = offered_name(kernel.shape.which, row.algorithm, device)
        return next(cost.time for cost in launches if cost.algorithm == name)
    return estimate_kernel_time(kernel, device)


def _can_price(row: KernelRow, device: Device) -> bool:
    """Whether the model has the row's arithmetic and, for this shape, its algorithm."""
    kernel = row.kernel
    if kernel is None or (kernel.shape is not None and kernel.dtype not in device.peak_flop_rate):
        return False
    if not isinstance(kernel.shape, ConvolutionCall):
        return kernel.shape is None or kernel.dtype in device.matmul.fraction
    launches = convolution_launches(kernel.shape, device, kernel.dtype, kernel.nbytes)
    name = offered_name(kernel.shape.which, row.algorithm, device)
    return not row.algorithm or name in {cost.algorithm for cost in launches}


def _row(key: str, timed: Timed) -> KernelRow:
    """A measured kernel as a row of a table; ``direct`` on a GPU is a choice that nobody was told."""
    kernel = timed.kernel
    algorithm = key.split("/")[2] if isinstance(kernel.shape, ConvolutionCall) else ""
    return KernelRow(
        file="measurements",
        row=0,
        item=key,
        device="",
        kernel=kernel,
        measured=timed.seconds,
        algorithm="" if algorithm == "direct" else algorithm,
        held_out=timed.held_out,
    )


def _streams(rows: Sequence[Timed]) -> bool:
    return rows[0].kernel.shape is None and len(rows) >= FEWEST


def _terms(key: str, rows: Sequence[Timed]) -> KernelTerms:
    return fit_terms(rows, Count(arithmetic=key.startswith("pooling")))


def predict_rows(fit: GpuFit, measurements: Iterable[Measurement]) -> list[tuple[str, Timed, float]]:
    """(key, row, predicted seconds) of every measured kernel that the fit prices, rows held out among them.

    Streaming kernels go by terms fitted on all their rows; fractions are fitted without rows held out.
    """
    found = []
    for key, rows in timed_kernels(m for m in measurements if m.case.family != "launch").items():
        for timed in rows:
            row = _row(key, timed)
            if _can_price(row, fit.device):
                found.append((key, timed, price_row(row, fit.device)))
    return found
