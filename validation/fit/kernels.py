"""Fits the achieved fractions of a device on the kernel tables: ``python -m validation.fit.kernels DEVICE``.

Each fraction is fitted on the rows that depend on it alone, with all others as the profile has them, by
golden section on the mean absolute log error, cut at a factor of ``CUT`` so that rows where the library
chose badly do not pull. Held-out rows are left alone. Matrix products come first, because convolutions are
priced on them.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from hardware.device import Device
from hardware.profiles import device_names, load_device
from simdl.kernels.cost_model import estimate_kernel_time
from simdl.kernels.costs.attention import DEVICE
from simdl.kernels.costs.convolution import convolution_times
from simdl.kernels.kernel import AttentionCall, ConvolutionCall, Product
from validation.judging.tables import frame_of
from validation.kernels.compare import TIMER_ROWS, kernel_tables
from validation.kernels.rows import KernelRow, load_kernel_rows
from workloads.operators import OperatorKind, Pass

CUT = 2.0
GOLDEN = (5**0.5 - 1) / 2
TOLERANCE = 2e-3

CHOSEN_STEP = 2
CHOSEN_ROUNDS = 4
FACTORS = (0.8, 0.9, 0.96, 1.0, 1.04, 1.1, 1.25)
"""The fastest of several uncertain predictions is too fast, so a second pass moves the fractions by the best
of these factors, in rounds, on what the library's choice took (every second row, for speed)."""

Rows = Sequence[KernelRow]
Build = Callable[[float], Device]
Price = Callable[[KernelRow, Device], float]


def price_kernel(row: KernelRow, device: Device) -> float:
    """[s] of a row's kernel, a convolution by the fastest algorithm."""
    assert row.kernel is not None  # noqa: S101 (rows without one take no part in a fit)
    return estimate_kernel_time(row.kernel, device)


def fit_fraction(rows: Rows, build: Build, price: Price = price_kernel) -> float:
    """The fraction in [0.05, 1] with which ``build`` gives the device that predicts these rows best.

    Args:
        rows: with kernels; at least one.
        build: device of a fraction.
        price: [s] of a row on a device.
    """
    low, high = 0.05, 1.0
    while high - low > TOLERANCE:
        span = GOLDEN * (high - low)
        if _loss(rows, build(high - span), price) < _loss(rows, build(low + span), price):
            high = low + span
        else:
            low = high - span
    return (low + high) / 2


def _loss(rows: Rows, device: Device, price: Price = price_kernel) -> float:
    predicted = np.array([price(row, device) for row in rows])
    measured = np.array([row.measured for row in rows])
    return float(np.minimum(np.abs(np.log(predicted / measured)), np.log(CUT)).mean())


def fit_device(device: Device, rows: Rows) -> tuple[Device, dict[str, float]]:
    """The device with every fraction fitted that these rows determine, and those fractions by dotted name."""
    found: dict[str, float] = {}
    for used, path, replaced in _independent(device, rows):
        if used:
            device = _fit(device, used, path, replaced, path.rpartition(".")[2], found)
    for name in device.convolution.fraction:
        used = [r for r in rows if _runs(r, name, device)]
        if used:
            _fit(device, used, f"convolution.fraction.{name}", _with_algorithm, name, found)
    device = _with_algorithms(device, found)
    chosen = [r for r in rows if r.algorithm and r.kernel and r.kernel.dtype == "fp32"][::CHOSEN_STEP]
    names = [p.rpartition(".")[2] for p in found if p.startswith("convolution.fraction.")]
    for name in names * CHOSEN_ROUNDS:
        device = _step(device, chosen, name, found)
    for which in (Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT):
        used = [r for r in rows if _is_pass(r, which)]
        if used:
            device = _fit(device, used, f"convolution.{which}", _with_pass, which.value, found)
    return device, found


Replaced = Callable[[Device, str, float], Device]


def _independent(device: Device, rows: Rows) -> Iterator[tuple[list[KernelRow], str, Replaced]]:
    """Rows, dotted name and setter of every fraction that needs no other of its own group."""
    for dtype in device.peak_flop_rate:
        yield [r for r in rows if _is_product(r, dtype)], f"matmul.fraction.{dtype}", _with_matmul
    for kinds, name in ((STREAMS, "fraction"), (REDUCTIONS, "reduction")):
        streams = [r for r in rows if r.kernel and r.kernel.shape is None and r.kernel.kind in kinds]
        yield streams, f"memory.{name}", _with_memory
    for name, forward in (("forward", True), ("backward", False)):
        yield [r for r in rows if _is_attention(r, forward=forward)], f"attention.{name}", _with_attention


STREAMS = frozenset({OperatorKind.ELEMENTWISE})
REDUCTIONS = frozenset({OperatorKind.SOFTMAX, OperatorKind.NORMALIZATION})


def _is_product(row: KernelRow, dtype: str) -> bool:
    return row.kernel is not None and row.kernel.dtype == dtype and isinstance(row.kernel.shape, Product)


def _is_attention(row: KernelRow, *, forward: bool) -> bool:
    shape = row.kernel.shape if row.kernel else None
    if not isinstance(shape, AttentionCall) or shape.algorithm != DEVICE:
        return False  # validation.fit.attention fits those of a known algorithm
    return (shape.which is Pass.FORWARD) is forward


def _runs(row: KernelRow, algorithm: str, device: Device) -> bool:
    """Whether the row says that this algorithm ran, and the model agrees that it could."""
    kernel = row.kernel
    if kernel is None or row.algorithm != algorithm or not isinstance(kernel.shape, ConvolutionCall):
        return False
    offered = convolution_times(kernel.shape, device, kernel.dtype)
    return kernel.dtype == "fp32" and algorithm in {cost.algorithm for cost in offered}


def _is_pass(row: KernelRow, which: Pass) -> bool:
    shape = row.kernel.shape if row.kernel else None
    return isinstance(shape, ConvolutionCall) and shape.which is which


def _fit(  # noqa: PLR0917 - the two halves of a fraction's name and where it goes
    device: Device,
    rows: Rows,
    path: str,
    replaced: Replaced,
    name: str,
    found: dict[str, float],
) -> Device:
    found[path] = round(fit_fraction(rows, lambda value: replaced(device, name, value)), 3)
    return replaced(device, name, found[path])


def _with_matmul(device: Device, dtype: str, value: float) -> Device:
    fraction = {**device.matmul.fraction, dtype: value}
    return replace(device, matmul=replace(device.matmul, fraction=fraction))


def _with_memory(device: Device, name: str, value: float) -> Device:
    memory = replace(device.memory, fraction=value) if name == "fraction" else None
    return replace(device, memory=memory or replace(device.memory, reduction=value))


def _with_attention(device: Device, name: str, value: float) -> Device:
    attention = device.attention
    if name == "forward":
        return replace(device, attention=replace(attention, forward=value))
    return replace(device, attention=replace(attention, backward=value))


def with_fractions(device: Device, fractions: Mapping[str, float]) -> Device:
    """The device with these fractions, by dotted name as `fit_device` returns them.

    Convolution algorithms that the device's library does not offer stay absent.
    """
    for name, value in fractions.items():
        group, _, rest = name.partition(".")
        field = rest.rpartition(".")[2]
        match group:
            case "matmul":
                device = _with_matmul(device, field, value)
            case "memory":
                device = _with_memory(device, field, value)
            case "attention":
                device = _with_attention(device, field, value)
            case _ if field == rest:
                device = _with_pass(device, field, value)
    return _with_algorithms(device, fractions)


def _with_algorithm(device: Device, name: str, value: float) -> Device:
    """The device with this algorithm alone, because rows name the algorithm that ran."""
    return replace(device, convolution=replace(device.convolution, fraction={name: value}))


def _step(device: Device, rows: Rows, name: str, found: dict[str, float]) -> Device:
    """The device with this algorithm's fraction moved by the best factor, and the new fraction noted."""
    path = f"convolution.fraction.{name}"
    moved = [_with_algorithms(device, {path: min(1.0, found[path] * factor)}) for factor in FACTORS]
    best = min(moved, key=lambda candidate: _loss(rows, candidate))
    found[path] = round(best.convolution.fraction[name], 3)
    return best


def _with_algorithms(device: Device, found: Mapping[str, float]) -> Device:
    fraction = {
        name: found.get(f"convolution.fraction.{name}", value)
        for name, value in device.convolution.fraction.items()
    }
    return replace(device, convolution=replace(device.convolution, fraction=fraction))


def _with_pass(device: Device, name: str, value: float) -> Device:
    convolution = device.convolution
    if name == Pass.INPUT_GRADIENT.value:
        return replace(device, convolution=replace(convolution, input_gradient=value))
    return replace(device, convolution=replace(convolution, weight_gradient=value))


def published_rows() -> list[KernelRow]:
    """Rows of the published kernel tables that name a kernel."""
    rows = (row for path in kernel_tables(None) for row in load_kernel_rows(path))
    return [row for row in rows if row.skipped is None]


def fitting_rows(device: Device, published: Rows) -> list[KernelRow]:
    """Rows of this device that take part in fitting, without what their timer adds.

    Where launches were timed from the host, the shortest row less a kernel's latency is the timer's share.

    Args:
        device: whose rows are meant.
        published: all that there are, those without a kernel left out.
    """
    rows = [row for row in published if row.device == device.name]
    if not rows:
        return []
    shortest = frame_of(rows, KernelRow).groupby(["file", "group"])["measured"].transform("min")
    return [
        _without_timer(row, least, device.matmul.latency)
        for row, least in zip(rows, shortest, strict=True)
        if not row.held_out and (not row.group or row.measured >= TIMER_ROWS * least)
    ]


def _without_timer(row: KernelRow, shortest: float, latency: float) -> KernelRow:
    return replace(row, measured=row.measured - max(0.0, shortest - latency)) if row.group else row


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the devices named on the command line and write the fractions to standard output."""
    parser = argparse.ArgumentParser(
        prog="python -m validation.fit.kernels",
        description="Fit the achieved fractions of devices on the published kernel tables. Nothing is "
        "written: the numbers printed go into the devices' profiles by hand.",
    )
    parser.add_argument(
        "devices",
        nargs="+",
        choices=device_names(),
        metavar="DEVICE",
        help="registered device, as `simdl hardware` lists them",
    )
    published = published_rows()
    for name in parser.parse_args(arguments).devices:
        device = load_device(name)
        rows = fitting_rows(device, published)
        if not rows:
            parser.error(f"{name}: no published kernel was measured on it")
        _, found = fit_device(device, rows)
        sys.stdout.writelines(f"{name}: {path} = {value}\n" for path, value in found.items())


if __name__ == "__main__":
    main()
