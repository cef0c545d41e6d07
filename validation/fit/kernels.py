"""Fits the achieved fractions of a device on the kernel tables: ``python -m validation.fit.kernels DEVICE``.

Each fraction is fitted on the rows that depend on it alone, with all others as the profile has them, by
golden section on the mean absolute log error, cut at a factor of ``CUT`` so that rows where the library
chose badly do not pull. Held-out rows are left alone. Matrix products come first, because convolutions are
priced on them. Where cuDNN runs, convolutions have one speed a device, priced by the fastest algorithm as the
library's choice; what all devices share is fitted on all of them (``--together``).
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from hardware.device import Device
from hardware.profiles import device_names, load_device
from simdl.kernels.cost_model import estimate_kernel_time
from simdl.kernels.costs.attention import DEVICE
from simdl.kernels.costs.convolution import convolution_times
from simdl.kernels.cudnn import is_served
from simdl.kernels.kernel import AttentionCall, ConvolutionCall, Product
from validation.fit.shared_numbers import shared_numbers
from validation.judging.tables import frame_of
from validation.kernels.compare import TIMER_ROWS, is_brief, kernel_tables, unlimited
from validation.kernels.rows import KernelRow, load_kernel_rows
from workloads.operators import OperatorKind, Pass

CUT = 2.0
GOLDEN = (5**0.5 - 1) / 2
TOLERANCE = 2e-3

ROUNDS = 2
"""Of fitting the devices' speeds and the passes' in turn."""

FASTEST = 2.0
"""Speed of a convolution's kernels over a product's, at most."""

Rows = Sequence[KernelRow]
Build = Callable[[float], Device]
Price = Callable[[KernelRow, Device], float]


def price_kernel(row: KernelRow, device: Device) -> float:
    """[s] of a row's kernel, a convolution by the fastest algorithm."""
    assert row.kernel is not None  # noqa: S101 (rows without one take no part in a fit)
    brief = is_brief(row.kernel, row.group, row.measured)
    return estimate_kernel_time(row.kernel, unlimited(device) if brief else device)


def fit_fraction(rows: Rows, build: Build, price: Price = price_kernel, *, most: float = 1.0) -> float:
    """The fraction in [0.05, most] with which ``build`` gives the device that predicts these rows best.

    Args:
        rows: with kernels; at least one.
        build: device of a fraction.
        price: [s] of a row on a device.
        most: that it may be.
    """
    return _least(lambda value: _loss(rows, build(value), price), 0.05, most)


def _least(loss: Callable[[float], float], low: float, high: float) -> float:
    """Where a loss is least between two ends, by golden section: one new point for each step."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > TOLERANCE:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = loss(right)
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
    convolved = [r for r in rows if r.kernel and isinstance(r.kernel.shape, ConvolutionCall)]
    if is_served(device):
        return _fit_speed(device, convolved, found) if convolved else device, found
    for name in device.convolution.fraction:
        used = [r for r in convolved if _runs(r, name, device)]
        if used:
            _fit(device, used, f"convolution.fraction.{name}", _with_algorithm, name, found)
    device = _with_algorithms(device, found)
    for which in (Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT):
        used = [r for r in convolved if _is_pass(r, which)]
        if used:
            device = _fit(device, used, f"convolution.{which}", _with_pass, which.value, found)
    return device, found


def _fit_speed(device: Device, rows: Rows, found: dict[str, float]) -> Device:
    """The device with one speed for all of cuDNN's algorithms, all that rows of convolutions determine."""
    speed = fit_fraction(rows, lambda value: with_speed(device, value), most=FASTEST)
    device = with_speed(device, speed)
    found |= {f"convolution.fraction.{name}": value for name, value in device.convolution.fraction.items()}
    found |= {
        f"convolution.{which}": shared_numbers().passes[which.value]
        for which in (Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT)
        if any(_is_pass(row, which) for row in rows)
    }
    return device


def with_speed(device: Device, speed: float, passes: Mapping[str, float] | None = None) -> Device:
    """The device whose convolutions by cuDNN run at a speed over its products, each algorithm at its own.

    Args:
        device: that cuDNN serves.
        speed: of its fastest algorithms.
        passes: speeds of the backward passes; those of all devices if None.
    """
    shared = shared_numbers()
    fraction = {name: round(shared.speed[name] * speed, 3) for name in device.convolution.fraction}
    found = passes or shared.passes
    return replace(device, convolution=replace(device.convolution, fraction=fraction, **found))


def fit_passes(devices: Mapping[Device, Rows]) -> dict[str, float]:
    """Speeds of the backward passes that all devices share, and [by ``speed of NAME``] of each device.

    Args:
        devices: that cuDNN serves, with rows of convolutions.
    """
    passes = dict(shared_numbers().passes)
    speeds: dict[Device, float] = {}
    for _ in range(ROUNDS):
        for device, rows in devices.items():
            if device in speeds and not any(_is_pass(row, Pass(which)) for row in rows for which in passes):
                continue  # nothing of it depends on the passes
            build = partial(with_speed, device, passes=dict(passes))
            speeds[device] = fit_fraction(rows, build, most=FASTEST)
        for which in passes:
            passes[which] = _fit_pass(which, passes, speeds, devices)
    return passes | {f"speed of {device.name}": speed for device, speed in speeds.items()}


def _fit_pass(
    which: str, passes: Mapping[str, float], speeds: Mapping[Device, float], devices: Mapping[Device, Rows]
) -> float:
    """The speed of a pass that gives the least loss over all devices."""
    used = {device: [r for r in rows if _is_pass(r, Pass(which))] for device, rows in devices.items()}

    def loss(value: float) -> float:
        return sum(
            _loss(rows, with_speed(device, speeds[device], {**passes, which: value})) * len(rows)
            for device, rows in used.items()
            if rows
        )

    return _least(loss, 0.5, 1.2)


Replaced = Callable[[Device, str, float], Device]


def _independent(device: Device, rows: Rows) -> Iterator[tuple[list[KernelRow], str, Replaced]]:
    """Rows, dotted name and setter of every fraction that needs no other of its own group."""
    for dtype in device.peak_flop_rate:
        products = [r for r in rows if _is_product(r, dtype)]
        brief = [r for r in products if is_brief(r.kernel, r.group, r.measured)]
        lasting = [r for r in products if r not in brief]
        yield lasting or brief, f"matmul.fraction.{dtype}", _with_matmul
        yield brief if lasting else [], f"matmul.brief.{dtype}", _with_brief
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
    most = FASTEST if path.startswith("convolution.fraction.") else 1.0
    found[path] = round(fit_fraction(rows, lambda value: replaced(device, name, value), most=most), 3)
    return replaced(device, name, found[path])


def _with_matmul(device: Device, dtype: str, value: float) -> Device:
    fraction = {**device.matmul.fraction, dtype: value}
    return replace(device, matmul=replace(device.matmul, fraction=fraction))


def _with_brief(device: Device, dtype: str, value: float) -> Device:
    return replace(device, matmul=replace(device.matmul, brief={**device.matmul.brief, dtype: value}))


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
            case "matmul" if rest.startswith("brief."):
                device = _with_brief(device, field, value)
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
    parser.add_argument(
        "--together",
        action="store_true",
        help="print what convolutions of these devices share instead: speeds of the backward passes",
    )
    published, given = published_rows(), parser.parse_args(arguments)
    if given.together:
        _print_together([load_device(name) for name in given.devices], published)
        return
    for name in given.devices:
        device = load_device(name)
        rows = fitting_rows(device, published)
        if not rows:
            parser.error(f"{name}: no published kernel was measured on it")
        _, found = fit_device(device, rows)
        sys.stdout.writelines(f"{name}: {path} = {value}\n" for path, value in found.items())


def _print_together(devices: Sequence[Device], published: Rows) -> None:
    rows = {device: fitting_rows(device, published) for device in devices if is_served(device)}
    convolved = {
        device: [r for r in own if r.kernel and isinstance(r.kernel.shape, ConvolutionCall)]
        for device, own in rows.items()
    }
    found = fit_passes({device: own for device, own in convolved.items() if own})
    sys.stdout.writelines(f"{name} = {value:.3g}\n" for name, value in found.items())


if __name__ == "__main__":
    main()
