"""What each micro-batch of a pass costs: from the model, or from a table where it holds the pass.

A modelled launch takes what the simulator charges for the same kernel: latency, and arithmetic and traffic
combined (`simdl.kernels.cost_model`). A table that holds a layer's pass on the device replaces the model
there altogether: measured and modelled times are never weighed against each other within one pass, and an
algorithm or a batch that was not measured does not exist.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.device import Device
from planner.microbatch.configuration import MicroBatch, undominated
from planner.microbatch.convolutions import ConvolutionPass, nameless
from planner.microbatch.layouts import in_layout
from simdl.collector import collector_paused
from simdl.errors import SimdlError
from simdl.kernels.convolution_table import ConvolutionRow
from simdl.kernels.costs.convolution import AlgorithmCost
from simdl.kernels.costs.convolution_launch import convolution_launches
from simdl.kernels.costs.matmul import uses_matrix_units
from simdl.kernels.cudnn import is_deterministic, is_served
from simdl.kernels.kernel import ConvolutionCall
from workloads.amounts import as_number
from workloads.dtypes import Precision
from workloads.operators import Pass

Sizes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Which launches may be chosen.

    Attributes:
        deterministic: only those whose results have the same bits in every run.
        layout: ``NCHW`` or ``NHWC`` of the tensors; ``""`` for kernels as priced, whatever they read.
    """

    deterministic: bool = False
    layout: str = ""


ANYTHING = Allowed()


@dataclass(frozen=True, slots=True, kw_only=True)
class PassOptions:
    """Micro-batches that a pass can be made of.

    Attributes:
        layer, which: the pass.
        measured: whether from a table.
        priced: how many launches were priced.
        options: those that no other of their size beats in time and workspace.
    """

    layer: str
    which: Pass
    measured: bool
    priced: int
    options: tuple[MicroBatch, ...]


@collector_paused()  # millions of launches, none of them garbage
def price_passes(
    passes: Sequence[ConvolutionPass],
    sizes: Sequence[int],
    device: Device,
    precision: Precision,
    table: Iterable[ConvolutionRow] = (),
    *,
    allowed: Allowed = ANYTHING,
) -> tuple[PassOptions, ...]:
    """What each pass can be made of, in the order of ``passes``; equal ones share their options.

    Args:
        passes: convolution passes.
        sizes: sizes of micro-batches [samples].
        device: where they run.
        precision: of operands and products.
        table: rows that replace the model; those of other devices and layers are left out.
        allowed: which algorithms, and on tensors of which layout.

    Raises:
        HardwareError: the device has no such arithmetic, or its profile names an unknown algorithm.
        SimdlError: a table is given and none of its rows is of this device and these layers.
    """
    measured = _measured(passes, device, tuple(table))
    wanted = frozenset(sizes)
    known: dict[ConvolutionPass | int, tuple[int, tuple[MicroBatch, ...]]] = {}
    priced = []
    for part in passes:
        rows = measured.get((part.layer, part.which)) or measured.get((part.block_layer, part.which))
        key = nameless(part) if rows is None else id(rows)
        if key not in known:
            if rows is None:
                known[key] = _modelled(part, sizes, device, precision, allowed)
            else:
                launches = [row for row in rows if row.batch in wanted and _is_repeatable(row, allowed)]
                known[key] = len(launches), _undominated(launches)
        count, options = known[key]
        priced.append(
            PassOptions(
                layer=part.layer,
                which=part.which,
                measured=rows is not None,
                priced=count,
                options=options,
            )
        )
    return tuple(priced)


def modelled_rows(
    part: ConvolutionPass, sizes: Sequence[int], device: Device, precision: Precision
) -> list[ConvolutionRow]:
    """Rows of a table as the model has them, every algorithm that applies at every size.

    Raises:
        HardwareError: the device has no such arithmetic.
    """
    names, times, spaces = _launches(part, np.array(list(sizes)), device, precision)
    return [
        ConvolutionRow(
            device=device.name,
            layer=part.layer,
            which=part.which,
            algorithm=name,
            batch=size,
            time=time,
            workspace=space,
        )
        for size, of_size in zip(sizes, zip(times.T.tolist(), spaces.T.tolist(), strict=True), strict=True)
        for name, time, space in zip(names, *of_size, strict=True)
    ]


def _is_repeatable(row: ConvolutionRow, allowed: Allowed) -> bool:
    return not allowed.deterministic or is_deterministic(row.which, row.algorithm)


def _launches(
    part: ConvolutionPass, sizes: Sizes, device: Device, precision: Precision, allowed: Allowed = ANYTHING
) -> tuple[tuple[str, ...], Floats, Floats]:
    """Algorithms, and [algorithms][sizes] the seconds and bytes of workspace of a launch of each.

    Raises:
        HardwareError: the device has no such arithmetic.
    """
    dtype = precision.matmul

    def priced(batch: int) -> tuple[AlgorithmCost, ...]:
        nbytes = batch * part.elements * precision.activation + part.weights * precision.parameter
        call = ConvolutionCall(part.shape, batch, part.which)
        launches = convolution_launches(call, device, dtype, nbytes)
        if allowed.deterministic:
            launches = tuple(cost for cost in launches if is_deterministic(part.which, cost.algorithm))
        if not allowed.layout or not is_served(device):
            return launches
        copied = batch * part.elements * precision.activation if uses_matrix_units(device, dtype) else 0
        return tuple(in_layout(launches, part.which, allowed.layout, copied, device))

    if device.kernels:  # terms are of one launch
        columns = [priced(size) for size in sizes.tolist()]
        times = np.array([[cost.time for cost in costs] for costs in columns]).T
        spaces = np.array([[cost.workspace for cost in costs] for costs in columns]).T
        return tuple(cost.algorithm for cost in columns[0]), times, spaces
    costs = priced(as_number(sizes))
    times, spaces = np.empty((len(costs), len(sizes))), np.empty((len(costs), len(sizes)))
    for place, cost in enumerate(costs):  # a workspace that does not grow with the batch is one number
        times[place], spaces[place] = cost.time, cost.workspace
    return tuple(cost.algorithm for cost in costs), times, spaces


def _modelled(
    part: ConvolutionPass, sizes: Sequence[int], device: Device, precision: Precision, allowed: Allowed
) -> tuple[int, tuple[MicroBatch, ...]]:
    """Number of launches that the model prices, and those that no other of their size beats."""
    names, times, spaces = _launches(part, np.array(sizes), device, precision, allowed)
    order = np.lexsort((times, spaces), axis=0)
    times, spaces = np.take_along_axis(times, order, axis=0), np.take_along_axis(spaces, order, axis=0)
    before = np.vstack([np.full(len(sizes), np.inf), np.minimum.accumulate(times, axis=0)[:-1]])
    columns, rows = np.nonzero((times < before).T)  # size by size, by rising workspace
    kept = (
        np.asarray(sizes)[columns].tolist(),
        order[rows, columns].tolist(),
        times[rows, columns].tolist(),
        spaces[rows, columns].tolist(),
    )
    return times.size, tuple(
        MicroBatch(size=size, algorithm=names[place], time=time, workspace=workspace)
        for size, place, time, workspace in zip(*kept, strict=True)
    )


def _undominated(rows: Iterable[ConvolutionRow]) -> tuple[MicroBatch, ...]:
    """The launches that no other of their size beats."""
    sizes: dict[int, list[MicroBatch]] = {}
    for row in rows:
        part = MicroBatch(size=row.batch, algorithm=row.algorithm, time=row.time, workspace=row.workspace)
        sizes.setdefault(row.batch, []).append(part)
    return tuple(part for same in sizes.values() for part in undominated(same))


def _measured(
    passes: Sequence[ConvolutionPass], device: Device, table: tuple[ConvolutionRow, ...]
) -> Mapping[tuple[str, Pass], list[ConvolutionRow]]:
    """Rows of this device by layer and pass."""
    found: dict[tuple[str, Pass], list[ConvolutionRow]] = {}
    for row in table:
        if row.device == device.name:
            found.setdefault((row.layer, row.which), []).append(row)
    if table and not found:
        devices = ", ".join(sorted({row.device for row in table}))
        raise SimdlError(f"table: no row of device {device.name}; it holds {devices}")
    names = {name for part in passes for name in (part.layer, part.block_layer)}
    if table and not names & {layer for layer, _ in found}:
        layers = ", ".join(sorted({layer for layer, _ in found}))
        raise SimdlError(
            f"table: no row of a layer of the model; it holds {layers}; expected such as {passes[0].layer}"
        )
    return found
