"""One reader for each kernel table, told by its header: from the cells of a row to the launches it measured.

FP32 tables were measured without TF32, so they price on the FP32 peak; DeepBench's mixed sheet multiplies
FP16.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from simdl.kernels.costs.matmul import ELEMENT_SIZE
from simdl.kernels.kernel import AttentionCall, ConvolutionCall, Kernel, Product
from validation.errors import RowSkippedError
from validation.kernels.launches import Launch, attention_kernel, convolution_kernel, product_kernel
from workloads.operators import AttentionShape, ConvolutionShape, OperatorKind, Pass

Cells = Mapping[str, str]
Reader = Callable[[Cells], Iterator[Launch]]


def _deepbench_gemm(cells: Cells) -> Iterator[Launch]:
    product = Product(int(cells["M"]), int(cells["N"]), int(cells["K"]))
    yield Launch(product_kernel("matmul", product, _sheet_dtype(cells)), float(cells["time_ms"]) * 1e-3)


def _sheet_dtype(cells: Cells) -> str:
    note = cells["precision_note"]
    if note == "Float":
        return "fp32"
    if note.startswith("16 bit inputs"):
        return "fp16"
    raise RowSkippedError(f"precision {note!r} is not one of the model's")


def _neusight_gemm(cells: Cells) -> Iterator[Launch]:
    """Products whose columns name the depth N and the width of the result K.

    NeuSight times ``torch.bmm`` of [B, M, N] and [B, N, K], and ``torch.nn.Linear(N, K)`` of [B, M, N]
    (neusight/Dataset/collect.py, profile_kernel); the grids of its kernels agree.
    """
    product = Product(int(cells["M"]), int(cells["K"]), int(cells["N"]), int(cells["batch"]))
    kernel = product_kernel(cells["op"], product, "fp32")
    yield Launch(kernel, float(cells["latency_ms"]) * 1e-3, group=cells["op"])


def _achieved_gemm(cells: Cells) -> Iterator[Launch]:
    dtype = re.sub(r"_e4m3fn$", "", cells["precision"])
    if dtype not in ELEMENT_SIZE or not cells["M"]:
        raise RowSkippedError("no shape, or no dtype of the model's")
    product = Product(int(cells["M"]), int(cells["N"]), int(cells["K"]))
    kernel = product_kernel("matmul", product, dtype)
    yield Launch(kernel, kernel.flops / (float(cells["achieved_tflops"]) * 1e12))


TENSORS = {
    "add": 3,
    "sub": 3,
    "mul": 3,
    "div": 3,
    "pow": 2,
    "relu": 2,
    "gelu": 2,
    "tanh": 2,
    "softmax": 2,
    "ln": 2,
}
"""Tensors that a vector operator reads and writes; the exponent of a power is a number."""
KINDS = {"softmax": OperatorKind.SOFTMAX, "ln": OperatorKind.NORMALIZATION}


def _neusight_vector(cells: Cells) -> Iterator[Launch]:
    name = cells["op"]
    if name not in TENSORS:
        raise RowSkippedError(f"operator {name!r} is not one of {', '.join(TENSORS)}")
    nbytes = 4.0 * TENSORS[name] * int(cells["rows_B"]) * int(cells["cols_H"])
    kernel = Kernel(name, KINDS.get(name, OperatorKind.ELEMENTWISE), 0.0, nbytes, "fp32")
    yield Launch(kernel, float(cells["latency_ms"]) * 1e-3, group=name)


def _neusight_conv(cells: Cells) -> Iterator[Launch]:
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
    chosen = cells["algo_family_inferred"]  # the host launches as many kernels as the algorithm has
    yield Launch(kernel, float(cells["latency_ms"]) * 1e-3, f"conv {chosen}", chosen)


DEEPBENCH_PASSES = {
    "fwd_ms": Pass.FORWARD,
    "bwd_input_ms": Pass.INPUT_GRADIENT,
    "bwd_param_ms": Pass.WEIGHT_GRADIENT,
}


SPELLINGS = {"licit_precomp_gemm": "implicit_precomp_gemm", "direct conv": "direct"}
"""Algorithms that DeepBench's sheets spell in their own way."""


def _deepbench_conv(cells: Cells) -> Iterator[Launch]:
    dtype, shape = _sheet_dtype(cells), _deepbench_shape(cells)
    for column, which in DEEPBENCH_PASSES.items():
        if not cells[column]:
            continue
        call = ConvolutionCall(shape, int(cells["batch_N"]), which, cells.get("cudnn", ""))
        kernel = convolution_kernel(call, dtype)
        chosen = cells["fwd_algorithm"].lower() if which is Pass.FORWARD else ""
        yield Launch(kernel, float(cells[column]) * 1e-3, algorithm=SPELLINGS.get(chosen, chosen))


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


IMPLEMENTATIONS = {
    "FA1": "flash-1",
    "FA1 Triton": "flash-1-triton",
    "FA2": "flash-2",
    "FA3": "flash-3",
    "cuDNN": "cudnn-2024",
    "AITER": "aiter",
}
"""Column of the table to the algorithm of `hardware.attention_kernels`; cuDNN by its release."""

MODES = {"fwd": Pass.FORWARD, "bwd": Pass.INPUT_GRADIENT}
BENCHMARK_DEFAULT, BENCHMARK_WIDTH = "benchmark default", 2048
"""What rows of FlashAttention's own program are marked by, and its heads times their size (``dim`` in
Dao-AILab/flash-attention@0469c727 benchmarks/benchmark_flash_attention.py)."""


def _flash_attention(cells: Cells) -> Iterator[Launch]:
    """Rates count 4 B H S^2 D flops forward (half when causal) and 2.5 times as many backward."""
    heads = cells["heads"]
    if BENCHMARK_DEFAULT in cells["dtype"] and cells["head_dim"]:
        heads = heads or str(BENCHMARK_WIDTH // int(cells["head_dim"]))
    complete = cells["batch"] and heads and cells["seq_len"] and cells["head_dim"]
    fused = cells["implementation"].split(" ")[0] in IMPLEMENTATIONS
    if not complete or cells["mode"] not in MODES or not fused:
        raise RowSkippedError("no full shape, no single pass, or not a fused kernel")
    tokens = int(cells["seq_len"])
    shape = AttentionShape(
        query_tokens=tokens,
        key_tokens=tokens,
        heads=int(heads),
        kv_heads=int(heads),
        head_size=int(cells["head_dim"]),
        causal=cells["causal"] == "True",
    )
    algorithm = IMPLEMENTATIONS[cells["implementation"].split(" ")[0]]
    call = AttentionCall(shape, int(cells["batch"]), MODES[cells["mode"]], algorithm)
    kernel = attention_kernel(call, "bf16")
    yield Launch(kernel, kernel.flops / (float(cells["tflops"]) * 1e12), assumed=not cells["heads"])


PASSES = {
    "fwd": (Pass.FORWARD,),
    "bwd": (Pass.INPUT_GRADIENT,),
    "fwd+bwd": (Pass.FORWARD, Pass.INPUT_GRADIENT),
}
LATER = re.compile(r"backend 9(19|2\d)")  # 9.19 to 9.22


def _attention_kernels(cells: Cells) -> Iterator[Launch]:
    """Rates of fused attention by implementation; rows of one pass or of both together."""
    if cells["implementation"] not in IMPLEMENTATIONS or "window" in cells["notes"]:
        raise RowSkippedError("not a known implementation, or a window whose edges it treats in its own way")
    algorithm = IMPLEMENTATIONS[cells["implementation"]]
    if algorithm == "cudnn-2024" and LATER.search(cells["version"]):
        algorithm = "cudnn-2026"
    tokens = int(cells["seq_len"])
    shape = AttentionShape(
        query_tokens=tokens,
        key_tokens=int(cells["kv_len"] or tokens),
        heads=int(float(cells["q_heads"])),
        kv_heads=int(float(cells["kv_heads"])),
        head_size=int(cells["head_dim_qk"]),
        value_size=int(cells["head_dim_v"]),
        causal=float(cells["causal"]) > 0,
    )
    dtype = "fp8" if cells["precision"] in {"fp8", "mxfp8"} else "bf16"
    calls = [AttentionCall(shape, int(cells["batch"]), which, algorithm) for which in PASSES[cells["pass"]]]
    first, *rest = (attention_kernel(call, dtype) for call in calls)
    flops = first.flops + sum(kernel.flops for kernel in rest)
    yield Launch(first, flops / (float(cells["tflops"]) * 1e12), then=rest[0] if rest else None)


QUANTISED = {
    "bf16": ("bf16", 0.0),
    "fp8 delayed": ("fp8", 2 + 1),
    "fp8 current": ("fp8", 2 + 2 + 1),
    "mxfp8": ("mxfp8", 2 + 2 * (1 + 1 / 32)),
    "nvfp4": ("fp4", 2 + 2 * (2 + 0.5 + 1 / 16)),
}
"""Recipe to dtype and bytes moved for each element quantised; Blackwell needs no transposed FP8 copy."""


def _low_precision_layers(cells: Cells) -> Iterator[Launch]:
    """A linear layer's product, and the quantisation of its input and weights in front of it."""
    shape = re.fullmatch(r"(\d+)x(\d+)x(\d+)", cells["shape"])
    if shape is None or cells["unit"] != "us" or cells["precision"] not in QUANTISED:
        raise RowSkippedError("not the forward pass of one linear layer")
    m, k, n = (int(extent) for extent in shape.groups())
    dtype, moved = QUANTISED[cells["precision"]]
    nbytes = moved * (m * k + k * n)
    quantise = Kernel("quantise", OperatorKind.ELEMENTWISE, 0.0, nbytes, dtype) if moved else None
    yield Launch(
        product_kernel("linear", Product(m, n, k), dtype), float(cells["value"]) * 1e-6, then=quantise
    )


def _whole_layers(cells: Cells) -> Iterator[Launch]:
    raise RowSkippedError(f"a row of {cells['kind']} does not give a layer's dimensions")


STREAM_BYTES = 1e9


def _bandwidth(cells: Cells) -> Iterator[Launch]:
    """BabelStream rows: copy, scale, add and triad stream; dot reduces."""
    match = re.fullmatch(r"HBM (\w+)", cells["measurement"])
    if not match or cells["unit"] != "TB/s":
        raise RowSkippedError("not a measurement of device memory by a kernel of this model")
    kind = OperatorKind.ELEMENTWISE
    kernel = Kernel(match[1].lower(), kind, 0.0, STREAM_BYTES, "fp32")
    yield Launch(kernel, STREAM_BYTES / (float(cells["value"]) * 1e12))


READERS: tuple[tuple[frozenset[str], Reader], ...] = (
    (frozenset({"device", "M", "N", "K", "time_ms", "precision_note"}), _deepbench_gemm),
    (frozenset({"device", "op", "batch", "M", "N", "K", "latency_ms"}), _neusight_gemm),
    (frozenset({"device", "precision", "M", "N", "K", "achieved_tflops"}), _achieved_gemm),
    (frozenset({"device", "op", "rows_B", "cols_H", "latency_ms"}), _neusight_vector),
    (frozenset({"device", "input_hw", "algo_family_inferred", "latency_ms"}), _neusight_conv),
    (frozenset({"device", "precision_note", "fwd_ms", "fwd_algorithm"}), _deepbench_conv),
    (frozenset({"gpu", "implementation", "mode", "seq_len", "tflops"}), _flash_attention),
    (frozenset({"device", "implementation", "pass", "head_dim_qk", "tflops"}), _attention_kernels),
    (frozenset({"device", "kernel", "precision", "shape", "quantity", "condition"}), _low_precision_layers),
    (frozenset({"device", "measurement", "value", "unit"}), _bandwidth),
    (frozenset({"gpu", "network_or_layer", "library", "layer"}), _whole_layers),
)
