"""Rows of kernel tables as kernels with a measured time, one reader a table.

FP32 tables were measured without TF32, so they price on the FP32 peak; DeepBench's mixed sheet multiplies
FP16. A layer of a table that the device profiles or the cost model cannot express carries the reason
instead.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from simdl.kernel import AttentionCall, ConvolutionCall, Kernel, Product
from simdl.kernel_costs.matmul import ELEMENT_SIZE
from validation.errors import MeasurementError, RowSkippedError
from workloads.operators import AttentionShape, ConvolutionShape, OperatorKind, Pass

Cells = Mapping[str, str]

LARGE_TABLE = 500
"""Rows from which on a table is split; smaller ones are fitted whole."""

HELD_OUT = 5
"""Every fifth row of a large table takes no part in fitting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRow:
    """One measured launch.

    Attributes:
        file, row: table and 1-based line of the row, the header being line 1.
        item: what was launched.
        device: profile name, or as the table writes it where there is none.
        group: rows that share a timer's host cost (table's operator); ``""`` where the timer has none.
        kernel: the launch; None where it cannot be expressed.
        measured: [s].
        algorithm: convolution algorithm that the library chose, ``""`` where the table does not say.
        held_out: the row took no part in fitting.
        skipped: why it cannot be predicted, or None.
    """

    file: str
    row: int
    item: str
    device: str
    group: str = ""
    kernel: Kernel | None = None
    measured: float = 0.0
    algorithm: str = ""
    held_out: bool = False
    skipped: str | None = None


def load_kernel_rows(path: Path) -> tuple[KernelRow, ...]:
    """All rows of a table; the header says which table it is.

    Raises:
        MeasurementError: unreadable, empty, or no known header.
    """
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle)
            header, records = reader.fieldnames or (), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise MeasurementError(f"{path}: cannot be read: {fault}; expected a CSV file in UTF-8") from None
    read = next((read for columns, read in READERS if columns <= set(header)), None)
    if read is None or not records:
        known = "; ".join(", ".join(sorted(columns)) for columns, _ in READERS)
        raise MeasurementError(
            f"{path}: found {'no rows' if read else 'header ' + ', '.join(header)}; "
            f"expected rows under one of these headers: {known}"
        )
    split = HELD_OUT if len(records) >= LARGE_TABLE else 0
    return tuple(
        row
        for line, cells in enumerate(records, start=2)
        for row in _rows(path.name, line, cells, read, held_out=bool(split) and line % split == 0)
    )


def _rows(file: str, line: int, cells: Cells, read: "Reader", *, held_out: bool) -> Iterator[KernelRow]:
    text = cells.get("device") or cells.get("gpu") or ""
    try:
        device = _profile_name(text)
        found = list(read(cells))
    except RowSkippedError as reason:
        yield KernelRow(file=file, row=line, item="", device=text, skipped=str(reason))
        return
    except ValueError as fault:
        raise MeasurementError(f"{file} line {line}: {fault}; expected numbers") from fault
    for launch in found:
        yield KernelRow(
            file=file,
            row=line,
            item=_item(launch.kernel),
            device=device,
            group=launch.group,
            kernel=launch.kernel,
            measured=launch.measured,
            algorithm=launch.algorithm,
            held_out=held_out,
        )


DEVICES = (
    (r"^nv_titanx$|titan x \(maxwell\)", "titan-x-maxwell"),
    (r"knl7250", "xeon-phi-7250"),
    (r"\bm40|_m40", "m40"),
    (r"mi100", "mi100"),
    (r"gaudi 2", "gaudi2"),
    (r"gb200", "gb200"),
    (r"\bb200", "b200"),
    (r"h200", "h200"),
    (r"h100.*pcie", "h100-pcie-80gb"),
    (r"h100", "h100-sxm-80gb"),
    (r"a100.*pcie.*40", "a100-pcie-40gb"),
    (r"a100.*pcie", "a100-pcie-80gb"),
    (r"a100.*40", "a100-sxm-40gb"),
    (r"a100", "a100-sxm-80gb"),
    (r"\ba40\b", "a40"),
    (r"v100-pcie-32gb", "v100-pcie-32gb"),
    (r"v100", "v100-sxm2-16gb"),
    (r"p100.*pcie", "p100-pcie"),
    (r"p100", "p100-sxm"),
    (r"\bt4\b", "t4"),
    (r"\bp4\b", "p4"),
)
"""Text of a table's device column to device profile; first match wins."""


def _profile_name(text: str) -> str:
    for pattern, name in DEVICES:
        if re.search(pattern, text.lower()):
            return name
    raise RowSkippedError(f"device {text!r} has no profile")


def _item(kernel: Kernel) -> str:
    match kernel.shape:
        case Product(m, n, k, count):
            return f"{kernel.name} {kernel.dtype} {count} x {m}x{n}x{k}"
        case ConvolutionCall(shape, batch, which):
            size = f"{shape.in_channels}x{shape.in_height}x{shape.in_width}"
            return f"{which} {kernel.dtype} {batch}x{size} to {shape.out_channels}"
        case AttentionCall(shape, batch, which):
            return f"attention {which} {batch}x{shape.heads}x{shape.query_tokens}x{shape.head_size}"
        case None:
            return f"{kernel.name} {kernel.nbytes:.0f} bytes"


@dataclass(frozen=True, slots=True)
class _Launch:
    kernel: Kernel
    measured: float
    group: str = ""
    algorithm: str = ""


Reader = Callable[[Cells], Iterator[_Launch]]


def product_kernel(name: str, product: Product, dtype: str) -> Kernel:
    """The launch of a product that reads both operands and writes the result once."""
    m, n, k, count = product.m, product.n, product.k, product.count
    nbytes = float(ELEMENT_SIZE[dtype] * count * (m * k + k * n + m * n))
    return Kernel(name, OperatorKind.MATMUL, 2.0 * m * n * k * count, nbytes, dtype, product)


def _deepbench_gemm(cells: Cells) -> Iterator[_Launch]:
    product = Product(int(cells["M"]), int(cells["N"]), int(cells["K"]))
    yield _Launch(product_kernel("matmul", product, _sheet_dtype(cells)), float(cells["time_ms"]) * 1e-3)


def _sheet_dtype(cells: Cells) -> str:
    note = cells["precision_note"]
    if note == "Float":
        return "fp32"
    if note.startswith("16 bit inputs"):
        return "fp16"
    raise RowSkippedError(f"precision {note!r} is not one of the model's")


def _neusight_gemm(cells: Cells) -> Iterator[_Launch]:
    product = Product(int(cells["M"]), int(cells["N"]), int(cells["K"]), int(cells["batch"]))
    kernel = product_kernel(cells["op"], product, "fp32")
    yield _Launch(kernel, float(cells["latency_ms"]) * 1e-3, group=cells["op"])


def _achieved_gemm(cells: Cells) -> Iterator[_Launch]:
    dtype = re.sub(r"_e4m3fn$", "", cells["precision"])
    if dtype not in ELEMENT_SIZE or not cells["M"]:
        raise RowSkippedError("no shape, or no dtype of the model's")
    product = Product(int(cells["M"]), int(cells["N"]), int(cells["K"]))
    kernel = product_kernel("matmul", product, dtype)
    yield _Launch(kernel, kernel.flops / (float(cells["achieved_tflops"]) * 1e12))


TENSORS = {"add": 3, "mul": 3, "relu": 2, "gelu": 2, "softmax": 2, "ln": 2}
KINDS = {"softmax": OperatorKind.SOFTMAX, "ln": OperatorKind.NORMALIZATION}


def _neusight_vector(cells: Cells) -> Iterator[_Launch]:
    name = cells["op"]
    nbytes = 4.0 * TENSORS[name] * int(cells["rows_B"]) * int(cells["cols_H"])
    kernel = Kernel(name, KINDS.get(name, OperatorKind.ELEMENTWISE), 0.0, nbytes, "fp32")
    yield _Launch(kernel, float(cells["latency_ms"]) * 1e-3, group=name)


def _neusight_conv(cells: Cells) -> Iterator[_Launch]:
    size, taps = int(cells["input_hw"]), int(cells["kernel"])
    stride, padding = int(cells["stride"]), int(cells["padding"])
    out = (size + 2 * padding - taps) // stride + 1
    shape = ConvolutionShape(
        in_channels=int(cells["in_ch"]),
        out_channels=int(cells["out_ch"]),
        in_height=size,
        in_width=size,
        out_height=out,
        out_width=out,
        kernel_height=taps,
        kernel_width=taps,
        stride_height=stride,
        stride_width=stride,
    )
    kernel = convolution_kernel(ConvolutionCall(shape, int(cells["batch"]), Pass.FORWARD), "fp32")
    yield _Launch(kernel, float(cells["latency_ms"]) * 1e-3, "conv", cells["algo_family_inferred"])


def convolution_kernel(call: ConvolutionCall, dtype: str) -> Kernel:
    """The launch of one pass that moves images, filters and results once."""
    s = call.shape
    images = call.batch * (s.in_channels * s.in_height * s.in_width)
    results = call.batch * s.out_channels * s.out_height * s.out_width
    filters = s.out_channels * s.in_channels // s.groups * s.kernel_height * s.kernel_width
    taps = s.in_channels // s.groups * s.kernel_height * s.kernel_width
    nbytes = float(ELEMENT_SIZE[dtype] * (images + results + filters))
    return Kernel("conv", OperatorKind.CONVOLUTION, 2.0 * results * taps, nbytes, dtype, call)


DEEPBENCH_PASSES = {
    "fwd_ms": Pass.FORWARD,
    "bwd_input_ms": Pass.INPUT_GRADIENT,
    "bwd_param_ms": Pass.WEIGHT_GRADIENT,
}


SPELLINGS = {"licit_precomp_gemm": "implicit_precomp_gemm", "direct conv": "direct"}
"""Algorithms that DeepBench's sheets spell in their own way."""


def _deepbench_conv(cells: Cells) -> Iterator[_Launch]:
    dtype, shape = _sheet_dtype(cells), _deepbench_shape(cells)
    for column, which in DEEPBENCH_PASSES.items():
        if not cells[column]:
            continue
        kernel = convolution_kernel(ConvolutionCall(shape, int(cells["batch_N"]), which), dtype)
        chosen = cells["fwd_algorithm"].lower() if which is Pass.FORWARD else ""
        yield _Launch(kernel, float(cells[column]) * 1e-3, algorithm=SPELLINGS.get(chosen, chosen))


def _deepbench_shape(cells: Cells) -> ConvolutionShape:
    height, width = int(cells["in_H"]), int(cells["in_W"])
    taps_high, taps_wide = int(cells["filter_height_R"]), int(cells["filter_width_S"])
    stride_high, stride_wide = int(cells["stride_h"]), int(cells["stride_w"])
    return ConvolutionShape(
        in_channels=int(cells["C"]),
        out_channels=int(cells["filters_K"]),
        in_height=height,
        in_width=width,
        out_height=(height + 2 * int(cells["pad_h"]) - taps_high) // stride_high + 1,
        out_width=(width + 2 * int(cells["pad_w"]) - taps_wide) // stride_wide + 1,
        kernel_height=taps_high,
        kernel_width=taps_wide,
        stride_height=stride_high,
        stride_width=stride_wide,
    )


MODES = {"fwd": Pass.FORWARD, "bwd": Pass.INPUT_GRADIENT}


def _flash_attention(cells: Cells) -> Iterator[_Launch]:
    """Rates count 4 B H S^2 D flops forward (half when causal) and 2.5 times as many backward."""
    complete = cells["batch"] and cells["heads"] and cells["seq_len"] and cells["head_dim"]
    fused = cells["implementation"].startswith(("FA", "cuDNN"))
    if not complete or cells["mode"] not in MODES or not fused:
        raise RowSkippedError("no full shape, no single pass, or not a fused kernel")
    tokens = int(cells["seq_len"])
    shape = AttentionShape(
        query_tokens=tokens,
        key_tokens=tokens,
        heads=int(cells["heads"]),
        kv_heads=int(cells["heads"]),
        head_size=int(cells["head_dim"]),
        causal=cells["causal"] == "True",
    )
    kernel = attention_kernel(AttentionCall(shape, int(cells["batch"]), MODES[cells["mode"]]), "bf16")
    yield _Launch(kernel, kernel.flops / (float(cells["tflops"]) * 1e12))


def attention_kernel(call: AttentionCall, dtype: str) -> Kernel:
    """The launch of fused attention that moves queries, keys, values and results once (twice backward)."""
    s = call.shape
    forward = call.which is Pass.FORWARD
    scores = call.batch * s.heads * s.query_tokens * s.key_tokens * (0.5 if s.causal else 1.0)
    tokens = 2 * s.query_tokens * s.heads + 2 * s.key_tokens * s.kv_heads
    nbytes = ELEMENT_SIZE[dtype] * call.batch * tokens * s.head_size * (1.0 if forward else 2.0)
    flops = 4 * scores * s.head_size * (1.0 if forward else 2.5)
    return Kernel("attention", OperatorKind.ATTENTION, flops, nbytes, dtype, call)


def _whole_layers(cells: Cells) -> Iterator[_Launch]:
    raise RowSkippedError(f"a row of {cells['kind']} does not give a layer's dimensions")


STREAM_BYTES = 1e9


def _bandwidth(cells: Cells) -> Iterator[_Launch]:
    """BabelStream rows: copy, scale, add and triad stream; dot reduces."""
    match = re.fullmatch(r"HBM (\w+)", cells["measurement"])
    if not match or cells["unit"] != "TB/s":
        raise RowSkippedError("not a measurement of device memory by a kernel of this model")
    kind = OperatorKind.ELEMENTWISE
    kernel = Kernel(match[1].lower(), kind, 0.0, STREAM_BYTES, "fp32")
    yield _Launch(kernel, STREAM_BYTES / (float(cells["value"]) * 1e12))


READERS: tuple[tuple[frozenset[str], Reader], ...] = (
    (frozenset({"device", "M", "N", "K", "time_ms", "precision_note"}), _deepbench_gemm),
    (frozenset({"device", "op", "batch", "M", "N", "K", "latency_ms"}), _neusight_gemm),
    (frozenset({"device", "precision", "M", "N", "K", "achieved_tflops"}), _achieved_gemm),
    (frozenset({"device", "op", "rows_B", "cols_H", "latency_ms"}), _neusight_vector),
    (frozenset({"device", "input_hw", "algo_family_inferred", "latency_ms"}), _neusight_conv),
    (frozenset({"device", "precision_note", "fwd_ms", "fwd_algorithm"}), _deepbench_conv),
    (frozenset({"gpu", "implementation", "mode", "seq_len", "tflops"}), _flash_attention),
    (frozenset({"device", "measurement", "value", "unit"}), _bandwidth),
    (frozenset({"gpu", "network_or_layer", "library", "layer"}), _whole_layers),
)
