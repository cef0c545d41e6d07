"""Kernels predicted for a device that no kernel table has seen: `simdl validate kernels --leave-out device`.

Each device with tables is fitted on its own rows; then every device in turn takes the fractions that the
others' tell of its architecture (`validation.fit.kernel_families`), and its rows are predicted with them.
Rows held out of the fit are predicted too. Numbers that all devices of a generation share (latency, epilogue
and cache ratio of products) stay, and so does the timer's cost, which is the table's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from hardware.attention_kernels import AttentionKernels
from hardware.device import Device
from hardware.profiles import device_names, load_device
from simdl.kernels.kernel import AttentionCall, ConvolutionCall, Kernel, Product
from validation.errors import MeasurementError
from validation.fit.attention import attention_rows, carried_kernels, timed_kernels
from validation.fit.kernel_families import Fitted, architecture, family_fractions
from validation.fit.kernels import Rows, fit_device, fitting_rows, with_fractions
from validation.judging.statistics import ErrorStatistics, error_statistics
from validation.kernels.compare import compare_kernels
from validation.kernels.rows import KernelRow, load_kernel_rows

MINIMUM = 2
"""Devices: one is left out, one is left."""

KINDS: Mapping[type, str] = {
    Product: "products",
    ConvolutionCall: "convolutions",
    AttentionCall: "attention",
}
VECTOR = "vector kernels"
FORMAT = "bf16"
"""Of the products that attention of another maker is scaled by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelErrors:
    """Errors of one kind of kernel on one device, or on all.

    Attributes:
        kind, device: what; the device is ``all`` over every device.
        fitted: as shipped, with the device's own tables.
        left_out: from the other devices'.
    """

    kind: str
    device: str
    fitted: ErrorStatistics
    left_out: ErrorStatistics


def left_out_errors(results: pd.DataFrame) -> list[KernelErrors]:
    """Errors of the rows of `leave_out_devices` by kind, each over all devices first."""
    scored = results[results["left_out"].notna()]
    kinds = [kind for kind in (*KINDS.values(), VECTOR) if (scored["kind"] == kind).any()]
    errors = []
    for kind in kinds:
        part = scored[scored["kind"] == kind]
        errors.append(_errors(kind, "all", part))
        errors.extend(_errors(kind, str(device), own) for device, own in part.groupby("device", sort=False))
    return errors


def _errors(kind: str, device: str, part: pd.DataFrame) -> KernelErrors:
    return KernelErrors(
        kind=kind,
        device=device,
        fitted=error_statistics(part["measured"], part["predicted"]),
        left_out=error_statistics(part["measured"], part["left_out"]),
    )


def kind_of(kernel: Kernel | None) -> str:
    """What a report calls kernels of this one's shape; ``""`` for none."""
    if kernel is None:
        return ""
    return KINDS.get(type(kernel.shape), VECTOR)


def leave_out_devices(paths: Sequence[Path]) -> pd.DataFrame:
    """Predicts every row as shipped and from the devices that are left when its own is not in the fit.

    Returns:
        a row for each, with the columns of `compare_kernels`, ``kind``, and ``left_out`` [s] where it is not
        skipped.

    Raises:
        MeasurementError: a table cannot be read, or fewer than two devices have rows that can be predicted.
    """
    shipped = compare_kernels(paths)
    rows = [row for path in paths for row in load_kernel_rows(path) if row.skipped is None]
    fits = _own_fits(rows)
    if len(fits) < MINIMUM:
        raise MeasurementError(
            "--leave-out device: these tables hold kernels of fewer than two registered devices; expected "
            "at least two"
        )
    devices = {}
    for fit in fits:
        others = [other for other in fits if other is not fit]
        device = left_out_device(fit.device, others)
        seen = [row for row in rows if row.device != device.name]
        devices[device.name] = replace(device, attention_kernels=_attention(device, rows, seen))
    left_out = compare_kernels(paths, devices)
    both = shipped["skipped"].isna() & left_out["skipped"].isna()
    return shipped.assign(kind=shipped["kernel"].map(kind_of), left_out=left_out["predicted"].where(both))


def _own_fits(rows: Sequence[KernelRow]) -> list[Fitted]:
    """Every registered device of these rows with the fractions that its own rows give."""
    fits = []
    for name in dict.fromkeys(row.device for row in registered(rows)):
        device = load_device(name)
        used = fitting_rows(device, rows)
        _, found = fit_device(device, used)
        if found or attention_rows(used):
            fits.append(Fitted(device=device, fractions=found, rows=_evidence(found, used)))
    return fits


def _attention(
    device: Device, rows: Sequence[KernelRow], seen: Sequence[KernelRow]
) -> Mapping[str, AttentionKernels]:
    """Kernels of attention from rows that may be seen, an unseen algorithm as the best of its maker."""
    own = attention_rows([row for row in rows if row.device == device.name])
    timed = timed_kernels(registered(seen))
    carried = carried_kernels(timed, device)
    if not own or not carried:
        return device.attention_kernels
    family = architecture(device).family
    kin = [name for name, known in timed.items() if architecture(known[0].device).family == family]
    best = max(kin or carried, key=lambda name: carried[name].forward.share)
    unseen = carried[best] if kin else _reached(carried[best], timed[best][0].device, device)
    return {name: carried.get(name, unseen) for name in own}


def _reached(kernels: AttentionKernels, there: Device, here: Device) -> AttentionKernels:
    """Another maker's kernels at the shares that products of this maker reach of theirs."""
    factor = here.matmul.fraction[FORMAT] / there.matmul.fraction[FORMAT]
    passes = (
        replace(each, share=min(1.0, each.share * factor)) for each in (kernels.forward, kernels.backward)
    )
    forward, backward = passes
    return AttentionKernels(forward=forward, backward=backward)


def registered(rows: Sequence[KernelRow]) -> list[KernelRow]:
    """Rows of devices that have a profile."""
    known = set(device_names())
    return [row for row in rows if row.device in known]


def _evidence(found: Mapping[str, float], rows: Rows) -> dict[str, int]:
    """How many rows stand behind each fraction; those of products are told by their dtype."""
    dtypes = [row.kernel.dtype for row in rows if row.kernel and isinstance(row.kernel.shape, Product)]
    return {
        name: dtypes.count(name.rpartition(".")[2]) if name.startswith("matmul.") else len(rows)
        for name in found
    }


def left_out_device(device: Device, others: Sequence[Fitted]) -> Device:
    """The device with all that its own rows could fit taken from others."""
    return with_fractions(replace(device, kernels={}), family_fractions(device, others))
