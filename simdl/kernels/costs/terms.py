"""Kernels that were measured on the very device: their terms take the place of the analytic model.

    key of a kernel                          operands
    ``elementwise/relu``                     ``all``
    ``gather/lookup``                        ``all``, ``single``
    ``matmul/product/fp32``                  ``left``, ``right``, ``result``
    ``attention/forward/fp32/causal``        ``all``
    ``convolution/forward/direct/fp32``      ``image``, ``filter``, ``result``

A fused kernel without terms of its own (``elementwise/bias+relu``) takes those of its first member; a
kernel that streams takes those of its kind at last (``elementwise``), a product those of a linear layer's.
Products and attention of a dtype that was not measured have none and are priced analytically. ``/causal``
stands behind attention whose flops leave the masked half out, ``/strided`` behind convolutions with strides
above one, and behind those of fewer than 16 input channels ``/thin``, or of one ``/single``, or for gradients
of four or more ``/narrow``, which are computed like wide ones.
"""

from collections.abc import Mapping
from functools import lru_cache
from math import ceil, prod

from hardware.device import Device
from hardware.kernel_terms import KernelTerms, terms_time
from simdl.kernels.costs.matmul import ELEMENT_SIZE
from simdl.kernels.kernel import AttentionCall, ConvolutionCall, Kernel, Product
from workloads.amounts import some
from workloads.operators import ConvolutionShape, Pass

THIN = 16
"""Input channels below which a vector is not filled by them."""

SINGLE, WORD = "single", 8
"""Operand of what is done one by one, 8 bytes each: the index of a row, the random number of a draw."""

FLAT = 4
"""Input channels below which gradients, too, do not fill a vector with them: between three and four the rates
of PyTorch's kernels change (`validation/measured/epyc-2-cores`)."""


def measured_time(kernel: Kernel, device: Device) -> float | None:
    """Device seconds of one launch by the terms of its kernel; None where the device has none.

    Convolutions have one set of terms per algorithm; see :func:`convolution_terms_time`.
    """
    terms = kernel_terms(kernel, device)
    if terms is None:
        return None
    return terms_time(terms, kernel.flops, operand_bytes(kernel))


def kernel_terms(kernel: Kernel, device: Device) -> KernelTerms | None:
    """The terms that hold for a kernel, or None."""
    kernels = device.kernels
    return next((kernels[key] for key in kernel_keys(kernel) if key in kernels), None)


def kernel_keys(kernel: Kernel) -> tuple[str, ...]:
    """Keys under which a kernel's terms may stand, the most special first."""
    kind, name = kernel.kind.value, kernel.name
    if isinstance(kernel.shape, AttentionCall):
        masked = "/causal" if kernel.shape.shape.causal else ""
        return (f"{kind}/{kernel.shape.which.value}/{kernel.dtype}{masked}",)
    leading = name.partition("+")[0]  # fused kernels are named by all that they do
    if kernel.shape is not None:
        whole = name.partition(" ")[2]  # an "lstm input gradient" where no walk was measured
        parts = dict.fromkeys((name, leading, whole, "product"))
        return tuple(f"{kind}/{part}/{kernel.dtype}" for part in parts if part)
    return tuple(dict.fromkeys((f"{kind}/{name}", f"{kind}/{leading}", kind)))


def operand_bytes(kernel: Kernel) -> Mapping[str, float]:
    """[bytes] by operand of a kernel that is no convolution."""
    if not isinstance(kernel.shape, Product):
        return {"all": kernel.nbytes} | ({SINGLE: WORD * kernel.singles} if some(kernel.singles) else {})
    size = ELEMENT_SIZE[kernel.dtype] * kernel.shape.count
    m, n, k = kernel.shape.m, kernel.shape.n, kernel.shape.k
    return {"left": size * m * k, "right": size * k * n, "result": size * m * n}


def convolution_keys(call: ConvolutionCall, algorithm: str, dtype: str) -> tuple[str, ...]:
    """Keys under which the terms of one algorithm may stand, the most special first."""
    plain = f"convolution/{call.which.value}/{algorithm}/{dtype}"
    return tuple(f"{plain}{variant}" for variant in _variants(call))


def _variants(call: ConvolutionCall) -> tuple[str, ...]:
    """Thin, narrow and strided convolutions are kernels of their own in every library.

    OneDNN's gradients for AVX2 read images of three channels as they are, all others in blocks of eight
    (src/cpu/x64/jit_avx2_conv_kernel_f32.cpp, ``jit_avx2_conv_bwd_weights_kernel_f32::init_conf``: ``flat``),
    so a single one is computed eight times. Forward a sum over the taps of one channel is too short to pay
    for its start and end: 58 GFLOP/s where longer sums reach 190 on the same machine.
    """
    shape = call.shape
    channels = shape.in_channels // shape.groups
    if channels >= THIN:
        return ("/strided",) if shape.strides > 1 else ("",)
    if channels == 1 and shape.groups == 1:
        return ("/single", "/thin")
    return ("/thin",) if channels < FLAT or call.which is Pass.FORWARD else ("/narrow", "/thin")


def convolution_terms_time(call: ConvolutionCall, algorithm: str, device: Device, dtype: str) -> float | None:
    """Device seconds of one launch of an algorithm by its terms; None where the device has none."""
    keys = convolution_keys(call, algorithm, dtype)
    terms = next((device.kernels[key] for key in keys if key in device.kernels), None)
    if terms is None:
        return None
    flops = convolution_flops(call, terms.lanes, padding=terms.padding)
    return terms_time(terms, flops, convolution_bytes(call, dtype))


def convolution_flops(call: ConvolutionCall, lanes: int, *, padding: float = 1.0) -> float:
    """Flops with channels filled up to whole vectors; input channels of thin convolutions stay as is.

    Depthwise convolutions fill vectors with channels of neighbouring groups (oneDNN's blocked layouts).
    Of products with zeros beside the image a share of ``padding`` counts. Direct kernels leave them out: each
    tap runs over the outputs where it lies on the image (oneDNN, src/cpu/x64/jit_avx2_conv_kernel_f32.cpp,
    ``get_ow_start``, ``get_ow_end``, ``kh_padding``). Of a window of three over seven pixels, a tenth.
    """
    s = call.shape
    inside = _pairs_inside(s)
    pairs = inside + padding * (s.outputs * s.taps - inside)
    inner, outer = s.in_channels // s.groups, s.out_channels // s.groups
    if inner == outer == 1:
        return 2.0 * call.batch * pairs * ceil(s.groups / lanes) * lanes
    bare = inner <= lanes and (call.which is Pass.FORWARD or inner < FLAT)
    filled = ceil(outer / lanes) * lanes * (inner if bare else ceil(inner / lanes) * lanes)
    return 2.0 * call.batch * pairs * s.groups * filled


@lru_cache(maxsize=4096)
def _pairs_inside(shape: ConvolutionShape) -> int:
    """Pairs of an output pixel and a tap that lies on the image."""
    return prod(
        _inside(*(getattr(shape, f"{part}_{axis}") for part in ("in", "out", "kernel", "stride")))
        for axis in ("depth", "height", "width")
    )


def _inside(pixels: int, outputs: int, taps: int, stride: int) -> int:
    before = -(-max(0, (outputs - 1) * stride + taps - pixels) // 2)  # the odd pixel is padded in front
    starts = (place * stride - before for place in range(outputs))
    return sum(min(pixels, start + taps) - max(0, start) for start in starts)


def convolution_bytes(call: ConvolutionCall, dtype: str) -> Mapping[str, float]:
    """[bytes] by operand; the same operands in all three passes, one of them the one that is computed."""
    s = call.shape
    size = ELEMENT_SIZE[dtype]
    return {
        "image": size * call.batch * s.in_channels * s.inputs,
        "filter": size * s.filters,
        "result": size * call.batch * s.out_channels * s.outputs,
    }
