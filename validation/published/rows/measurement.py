"""What a published row measured, as a step time in seconds (networks: as samples per second).

Printed step times stand as they are; tokens per second and per device follow from the batch; TFLOP/s, MFU
and HFU are converted by the convention of the source (``validation.published.rows.flops``).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hardware.device import Device
from simdl.step.strategy import Recompute
from validation.errors import RowSkippedError
from validation.published.rows.cells import OUT_OF_MEMORY, optional_measurement
from validation.published.rows.families import family_of
from validation.published.rows.flops import hardware_flops, old_bigscience_flops, reported_flops
from validation.published.rows.network import Shape
from validation.published.rows.sources import SourceDefaults
from validation.published.tables import PublishedRow
from workloads.dtypes import Precision

# A caution that the printed tokens/s disagree with the step time leaves the step time, which is what counts.
_MARKERS = re.compile(r"\b(?:FLAG|INCONSISTENT|CAUTION(?! seq\*GBS/step)|CHECK|AMBIGUOUS)\b")
_TENSORS = re.compile(
    r"real_alloc|max_memory_allocated|memory active|allocated memory|mem_gib = params", re.IGNORECASE
)
_BLOCKS = re.compile(r"mem_gib = params\+grads\+optimizer [\d.]+ \+ activations", re.IGNORECASE)
RATE_COLUMNS = (
    "step_time_s",
    "tokens_per_s",
    "tokens_per_s_per_device",
    "tflops_per_device",
    "mfu_pct",
    "hfu_pct",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSize:
    """What conversions between rates and step times need.

    Attributes:
        shape: dimensions of the network.
        batch: sequences of one step.
        devices: of the run.
        device: profile whose peak an MFU without a printed peak refers to.
        precision: of the products.
    """

    shape: Shape
    batch: int
    devices: int
    device: Device
    precision: Precision


def out_of_memory(row: PublishedRow) -> bool:
    """The run failed for lack of memory."""
    cells = (row[column].upper() for column in (*RATE_COLUMNS, "mem_gib") if column in row.cells)
    return OUT_OF_MEMORY in cells or row.cells.get("value", "").upper() == OUT_OF_MEMORY


def counts_tensors_alone(row: PublishedRow) -> bool:
    """The printed memory is what an allocator gave out, or a sum of tensors."""
    return bool(_TENSORS.search(row["notes"]))


def counts_blocks_alone(row: PublishedRow) -> bool:
    """The printed memory is a sum of state and activations of the transformer layers."""
    return bool(_BLOCKS.search(row["notes"]))


def check_trusted(row: PublishedRow) -> None:
    """Refuse rows whose own notes or values say that the measurement cannot be used.

    Raises:
        RowSkippedError: columns swapped in the source, a failed run, or an inconsistent configuration.
    """
    notes = row["notes"]
    swapped = re.search(r"columns look swapped in the source for the ZS=(\d)", notes)
    if swapped and row.cells.get("data_sharding", "").endswith(swapped[1]):
        raise RowSkippedError("the source swaps its time and TFLOP/s columns in this row")
    if marker := _MARKERS.search(notes):
        raise RowSkippedError(f"the table marks the row {marker[0]}")
    for column in RATE_COLUMNS if row.kind == "llm" else ("value",):
        optional_measurement(row, column)


def step_time(row: PublishedRow, size: RunSize, defaults: SourceDefaults, recompute: Recompute) -> float:
    """Measured seconds of one step of a language-model row.

    Args:
        row: printed cells.
        size: batch, devices and shape.
        defaults: the source's conventions.
        recompute: for hardware-flop utilisation.

    Raises:
        RowSkippedError: nothing measured is printed.
    """
    tokens = size.batch * size.shape.tokens
    for column, scale in (("step_time_s", 0), ("tokens_per_s", 1), ("tokens_per_s_per_device", size.devices)):
        value = optional_measurement(row, column)
        if value is not None:
            return tokens / (value * scale) if scale else value
    for value in _times_from_flops(row, size, defaults, recompute):
        return value
    raise RowSkippedError("no time, throughput or utilisation is published")


def _times_from_flops(
    row: PublishedRow, size: RunSize, defaults: SourceDefaults, recompute: Recompute
) -> Iterator[float]:
    gated = family_of(row["source"], row["model"]).gated
    counted = reported_flops(defaults.flops, size.shape, size.batch, gated=gated, recompute=recompute)
    parameters = optional_measurement(row, "n_params_b")
    if defaults.flops == "bigscience" and "old" in row["notes"] and parameters:
        counted = old_bigscience_flops(parameters * 1e9, size.shape, size.batch)
    rate = optional_measurement(row, "tflops_per_device")
    if rate is not None:
        yield counted / (rate * 1e12 * size.devices)
    peak = size.device.peak_flop_rate.get(size.precision.matmul, 0.0) * size.devices
    share = optional_measurement(row, "mfu_pct")
    if share is not None and peak:
        model = "full" if defaults.flops in ("megatron", "bigscience") else defaults.flops
        yield reported_flops(model, size.shape, size.batch, gated=gated) / (share / 100 * peak)
    share = optional_measurement(row, "hfu_pct")
    if share is not None and peak:
        yield hardware_flops(size.shape, size.batch, gated=gated, recompute=recompute) / (share / 100 * peak)
