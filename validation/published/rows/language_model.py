"""A language-model row (the ``llm`` header) as a question to the simulator."""

from hardware.device import Device
from simdl.software.reader import division
from validation.errors import RowSkippedError
from validation.published.rows.cells import (
    note_count,
    optional_count,
    optional_measurement,
    required_count,
)
from validation.published.rows.cluster import row_cluster
from validation.published.rows.measurement import (
    RATE_COLUMNS,
    RunSize,
    check_trusted,
    counts_tensors_alone,
    out_of_memory,
    step_time,
)
from validation.published.rows.network import decoder_network, decoder_shape
from validation.published.rows.precision import row_precision
from validation.published.rows.setup import Setup, shared_workload
from validation.published.rows.shapes import with_shape
from validation.published.rows.sources import SourceDefaults, source_defaults, stack_defaults
from validation.published.rows.stack import choose_stack
from validation.published.rows.strategy import Degrees, printed_zero, row_degrees, row_strategies
from validation.published.rows.techniques import row_optimizer
from validation.published.tables import PublishedRow

# Tables print GB or GiB without saying which; 1 GiB is 7 % more, within what memory is checked to.
_MEMORY_UNIT = 2**30
PURE = "bf16-pure"
"""Sources whose 16 bit are those of weights, gradients and optimizer state."""
_QUESTION = ("model", "n_layers", "hidden", "seq_len", "device", "n_devices", "precision")


def language_model_setup(row: PublishedRow) -> Setup:
    """Everything the simulator needs to predict a row, and what was measured.

    Raises:
        RowSkippedError: the row cannot be predicted or scored; the message says why.
    """
    check_trusted(row)
    row, known = with_shape(row)
    defaults = source_defaults(row["source"])
    degrees = row_degrees(row)
    shape = decoder_shape(row, tp=degrees.tp)
    network = decoder_network(row, shape)
    cluster = row_cluster(row)
    choice = choose_stack(row, cluster.device, network, divided=_division(row, degrees))
    if not defaults.known:
        defaults = stack_defaults(choice.stack)
    precision = row_precision(row["precision"], _default_precision(defaults, cluster.device))
    if precision.name == "bf16" and defaults.precision == PURE:
        precision = row_precision(PURE, "")
    batch = _global_batch(row, degrees)
    strategies, assumed = row_strategies(row, degrees, network, defaults)
    size = RunSize(
        shape=shape, batch=batch, devices=cluster.devices, device=cluster.device, precision=precision
    )
    memory = optional_measurement(row, "mem_gib")
    failed = out_of_memory(row)
    timed = any(row[column] for column in RATE_COLUMNS) and not failed
    if not timed and not failed and memory is None:
        raise RowSkippedError("no time, throughput or utilisation is published")
    missing = () if row["precision"] else (f"precision {precision.name}",)
    warning = choice.warning or ("" if defaults.known else _unknown(row, choice.stack))
    return Setup(
        workload=shared_workload(network, row_optimizer(row, defaults), precision, batch),
        cluster=cluster,
        strategies=strategies,
        stack=choice.stack,
        measured=step_time(row, size, defaults, strategies[-1].recompute) if timed else None,
        unit="s",
        out_of_memory=failed,
        measured_memory=None if memory is None else memory * _MEMORY_UNIT,
        tensors_alone=counts_tensors_alone(row),
        question=(row.file, *(row[column] for column in _QUESTION)),
        assumptions=(*known, *shape.assumptions, *assumed, *missing),
        warnings=(warning,) if warning else (),
    )


def _default_precision(defaults: SourceDefaults, device: Device) -> str:
    """That of the source, or FP16 on devices that had no BF16 yet."""
    narrow = defaults.precision == "bf16" and "bf16" not in device.peak_flop_rate
    return "fp16" if narrow and "fp16" in device.peak_flop_rate else defaults.precision


def _global_batch(row: PublishedRow, degrees: Degrees) -> int:
    """Printed, or what the microbatches that a note counts make."""
    steps, micro_batch = note_count(row, r"micro_num (\d+)"), optional_count(row, "micro_batch")
    if not row["global_batch"] and steps and micro_batch:
        return steps * micro_batch * degrees.dp
    return required_count(row, "global_batch")


def _division(row: PublishedRow, degrees: Degrees) -> str:
    """How the row's strategy divides its network, for the stack that is usual for that."""
    return division(tp=degrees.tp, pp=degrees.pp, cp=degrees.cp, zero=printed_zero(row) or 0)


def _unknown(row: PublishedRow, stack: str) -> str:
    return f"{row.file}: no conventions known for source {row['source']!r}; took those of {stack}"
