"""Kernels: what a device is asked to run, after sharding, batching and fusion.

An :class:`Operator` is mathematics per sample of the whole network; a :class:`Kernel` is one launch on one
device with concrete dimensions. The cost model turns kernels into seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from workloads.amounts import as_number, is_table
from workloads.operators import AttentionShape, ConvolutionShape, OperatorKind, Pass


@dataclass(frozen=True, slots=True)
class Product:
    """``count`` independent products (m x k) @ (k x n) in one launch."""

    m: int
    n: int
    k: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class ConvolutionCall:
    """A convolution over ``batch`` images in one of its three passes.

    ``library`` is the version of cuDNN that runs it, where that serves the device; the newest if "".
    """

    shape: ConvolutionShape
    batch: int
    which: Pass
    library: str = ""


@dataclass(frozen=True, slots=True)
class AttentionCall:
    """A fused attention kernel over ``batch`` sequences; forward or (as input gradient) backward.

    ``algorithm`` is one of `hardware.attention_kernels`, or ``"device"``: the shares of the device's profile.
    """

    shape: AttentionShape
    batch: int
    which: Pass
    algorithm: str = "device"


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Launches that wait for one another: each step of a recurrent layer reads what the one before wrote.

    Attributes:
        steps: how many.
        product: of one step, by the same weights in all; None for steps priced by their bytes.
    """

    steps: int
    product: Product | None = None


@dataclass(frozen=True, slots=True)
class Kernel:
    """One launch on one device.

    Attributes:
        name: operator it came from.
        kind: the cost model's rule.
        flops: floating-point operations, of all steps.
        nbytes: [bytes] read and written, weights in every step.
        dtype: arithmetic of its products (key of ``Device.peak_flop_rate``).
        shape: concrete dimensions; None for kernels priced by their bytes.
        pattern: zeros of the weights that the kernel leaves out (key of ``Device.sparsity``); "" for none.
        density: share of the weights that it multiplies.
        experts: whose products these are, or whose rows are cast for them; 0 for all other kernels.
        inner: a library launches it within the call of its neighbour, so the host makes no call for it.
        singles: what a processor does one by one (`workloads.operators.Operator`).
        blocks: thread blocks that it consists of where these may be few; 0 for as many as the device takes.
        walked: elements that its blocks take one after another, with little in flight; 0 for other kernels.
    """

    name: str
    kind: OperatorKind
    flops: float
    nbytes: float
    dtype: str
    shape: Product | ConvolutionCall | AttentionCall | Recurrence | None = None
    experts: int = 0
    pattern: str = ""
    density: float = 1.0
    inner: bool = False
    singles: float = 0.0
    blocks: float = 0.0
    walked: float = 0.0


def joined_products(kernels: Sequence[Kernel], rows: int) -> Kernel:
    """Products that differ in dimensions alone, which are numbers or arrays [rows], as one of all rows."""
    shapes = [kernel.shape for kernel in kernels if isinstance(kernel.shape, Product)]
    m, n, k, count, flops, nbytes = (
        as_number(np.concatenate([each if is_table(each) else np.full(rows, each) for each in column]))
        for column in (
            *zip(*((shape.m, shape.n, shape.k, shape.count) for shape in shapes), strict=True),
            *zip(*((kernel.flops, kernel.nbytes) for kernel in kernels), strict=True),
        )
    )
    return replace(kernels[0], flops=flops, nbytes=nbytes, shape=Product(m, n, k, count))


def kernel_rows(kernel: Kernel) -> list[Kernel]:
    """The kernels of one whose dimensions are arrays [n]."""
    return _rows(kernel, _length(kernel))


def _rows(value: object, count: int) -> list[Any]:
    if isinstance(value, np.ndarray):
        return list(value.tolist())
    if not is_dataclass(value):
        return [value] * count
    kind: Any = type(value)
    names = [each.name for each in fields(value)]
    columns = [_rows(getattr(value, name), count) for name in names]
    return [kind(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def _length(value: object) -> int:
    """Rows of the arrays in a kernel; 1 if there are none."""
    if isinstance(value, np.ndarray):
        return len(value)
    inner = (getattr(value, each.name) for each in fields(value)) if is_dataclass(value) else ()
    return max((_length(each) for each in inner), default=1)
