"""Fits the algorithms of fused attention on the table of their rates: ``python -m validation.fit.attention``.

Vector operations and tokens of a block's ends are one number for each pass of an algorithm, its share one
for each pass and architecture (`hardware.attention_kernels`). Rows that time both passes together fit both.
An architecture whose rows all time the forward pass takes the mean of the others' backward over forward
share.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log

import numpy as np

from hardware.attention_kernels import AttentionKernels, AttentionPass
from hardware.device import Device
from hardware.profiles import load_device
from hardware.sustained import power_exponent
from simdl.kernels.cost_model import estimate_kernel_time
from simdl.kernels.kernel import AttentionCall
from validation.fit.kernel_families import architecture
from validation.fit.kernels import published_rows
from validation.fit.least_squares import Vector, minimise, soften
from validation.fit.shared_numbers import shared_numbers
from validation.kernels.rows import KernelRow
from workloads.operators import Pass

SCALE = 0.1
"""Log error of a row beyond which it pulls linearly."""
PRIORS = {"softmax": (log(8), 1.0), "ramp": (log(200), 1.0), "share": (1.0, 1.0)}
"""Mean and spread before any row is seen: of logarithms, and of the logit of a share."""
PORTABLE = frozenset({"flash-1", "flash-1-triton", "flash-2"})
"""Algorithms whose code is the same on every architecture: instructions of Ampere."""
HIGHEST = 1.0
"""Share that no carried number exceeds."""


def attention_rows(rows: Sequence[KernelRow]) -> dict[str, list[KernelRow]]:
    """Rows of fused attention by algorithm, those that no fit may see left out."""
    found: dict[str, list[KernelRow]] = {}
    for row in rows:
        shape = row.kernel.shape if row.kernel else None
        if not isinstance(shape, AttentionCall) or shape.algorithm == "device":
            continue
        if not row.held_out:
            found.setdefault(shape.algorithm, []).append(row)
    return found


def fit_attention(rows: Sequence[KernelRow]) -> dict[str, dict[str, AttentionKernels]]:
    """Kernels of every algorithm by architecture, from rows of registered devices.

    Args:
        rows: with kernels; those of other kernels are not read.
    """
    return {name: _fit_algorithm(own) for name, own in attention_rows(rows).items()}


def _fit_algorithm(rows: Sequence[KernelRow]) -> dict[str, AttentionKernels]:
    devices = {name: load_device(name) for name in dict.fromkeys(row.device for row in rows)}
    generations = list(dict.fromkeys(device.generation for device in devices.values()))
    measured = np.log([row.measured for row in rows])

    def residuals(point: Vector) -> Vector:
        kernels = _kernels(point, generations)
        priced = {
            name: replace(device, attention_kernels=dict.fromkeys(_names(rows), kernels[device.generation]))
            for name, device in devices.items()
        }
        predicted = np.log([price(row, priced[row.device]) for row in rows])
        return np.concatenate((soften((predicted - measured) / SCALE, 1.0), (point - means) / spreads))

    shared = [PRIORS["softmax"]] * 2 + [PRIORS["ramp"]] * 2
    means, spreads = np.array(shared + [PRIORS["share"]] * (2 * len(generations))).T
    found = _kernels(minimise(residuals, means), generations)
    return _with_backward(found, rows, devices)


def _names(rows: Sequence[KernelRow]) -> list[str]:
    return list(attention_rows(rows))


def price(row: KernelRow, device: Device) -> float:
    """[s] of a row's kernels."""
    kernels = [kernel for kernel in (row.kernel, row.then) if kernel]
    return sum(estimate_kernel_time(kernel, device) for kernel in kernels)


def _kernels(point: Vector, generations: Sequence[str]) -> dict[str, AttentionKernels]:
    softmax, ramp = np.exp(point[:2]), np.exp(point[2:4])
    shares = 1 / (1 + np.exp(-point[4:].reshape(-1, 2)))
    return {
        generation: AttentionKernels(
            **{
                which: AttentionPass(share=float(share[i]), softmax=float(softmax[i]), ramp=float(ramp[i]))
                for i, which in enumerate(("forward", "backward"))
            }
        )
        for generation, share in zip(generations, shares, strict=True)
    }


def _with_backward(
    found: Mapping[str, AttentionKernels], rows: Sequence[KernelRow], devices: Mapping[str, Device]
) -> dict[str, AttentionKernels]:
    """Backward passes that no row timed by the ratio of those that rows did."""
    timed = {
        devices[row.device].generation
        for row in rows
        for kernel in (row.kernel, row.then)
        if kernel and isinstance(kernel.shape, AttentionCall) and kernel.shape.which is not Pass.FORWARD
    }
    ratios = [log(found[name].backward.share / found[name].forward.share) for name in timed]
    ratio = exp(float(np.mean(ratios))) if ratios else shared_numbers().backward
    return {
        name: kernels
        if name in timed
        else replace(kernels, backward=replace(kernels.forward, share=ratio * kernels.forward.share))
        for name, kernels in found.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """An algorithm's kernels on one architecture, and a device that they were timed on."""

    kernels: AttentionKernels
    device: Device


def timed_kernels(rows: Sequence[KernelRow]) -> dict[str, list[Timed]]:
    """Kernels of every algorithm, one for each architecture, with the first device of it."""
    devices = {name: load_device(name) for name in dict.fromkeys(row.device for row in rows)}
    return {
        name: [
            Timed(
                kernels=each,
                device=next(
                    devices[row.device]
                    for row in attention_rows(rows)[name]
                    if devices[row.device].generation == generation
                ),
            )
            for generation, each in kernels.items()
        ]
        for name, kernels in fit_attention(rows).items()
    }


def carried_kernels(timed: Mapping[str, Sequence[Timed]], device: Device) -> dict[str, AttentionKernels]:
    """Kernels by algorithm of a device that no row timed, from others.

    On another board of the same architecture the share goes with the clock that its power leaves
    (`hardware.sustained`). To another architecture it carries over where the algorithm has code for each, and
    as so many operations in a clock of a multiprocessor where its code is that of Ampere.
    """
    found = {}
    for name, known in timed.items():
        same = [each for each in known if each.device.generation == device.generation]
        shares = [(each.kernels, _carried(name, each.device, device)) for each in same or known]
        found[name] = _scaled(shares)
    return found


def _carried(name: str, there: Device, here: Device) -> float:
    """Factor of a share from one device to another."""
    if there.generation == here.generation:
        watts = [device.power / device.flop_rate("fp16") for device in (there, here)]
        return float((watts[1] / watts[0]) ** power_exponent())
    operations = [architecture(device).matrix for device in (there, here)]
    return operations[0] / operations[1] if name in PORTABLE and all(operations) else 1.0


def _scaled(known: Sequence[tuple[AttentionKernels, float]]) -> AttentionKernels:
    """The first's passes at the mean of all shares, each with its factor."""

    def mean(which: str) -> AttentionPass:
        passes = [(getattr(kernels, which), factor) for kernels, factor in known]
        logs = [log(min(HIGHEST, each.share * factor)) for each, factor in passes]
        first: AttentionPass = passes[0][0]
        return replace(first, share=exp(float(np.mean(logs))))

    return AttentionKernels(forward=mean("forward"), backward=mean("backward"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit every algorithm and write its numbers to standard output."""
    argparse.ArgumentParser(
        prog="python -m validation.fit.attention",
        description="Fit the algorithms of fused attention on the published table of their rates. Nothing is "
        "written: the numbers printed go into hardware/data/attention_kernels.toml by hand.",
    ).parse_args(arguments)
    for name, kernels in fit_attention(published_rows()).items():
        for which in ("forward", "backward"):
            passes = {generation: getattr(each, which) for generation, each in kernels.items()}
            one = next(iter(passes.values()))
            shares = ", ".join(f"{generation} {each.share:.3f}" for generation, each in passes.items())
            sys.stdout.write(f"{name}.{which}: softmax {one.softmax:.1f}, ramp {one.ramp:.0f}, {shares}\n")


if __name__ == "__main__":
    main()
