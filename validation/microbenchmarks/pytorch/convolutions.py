"""PyTorch's convolutions and fused attention, pass by pass.

On processors two algorithms can be had: oneDNN's (``direct``) and, with oneDNN switched off, PyTorch's own
product on copied patches (``gemm``, whose patch matrix is the workspace). On GPUs cuDNN chooses, after a
search (`torch.backends.cudnn.benchmark`); what it chose is not told, so it is one algorithm, ``direct``.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from simdl.kernels.kernel import ConvolutionCall
from validation.microbenchmarks.arrays.convolutions import padding_of
from validation.microbenchmarks.backend import Prepared, UnsupportedCaseError
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.pytorch.kernels import Fresh, Tensor, Torch
from validation.microbenchmarks.timing import Call
from workloads.operators import Pass

SIZE = 4
"""[bytes] of an FP32 element."""


def build_convolution(torch: Torch, call: ConvolutionCall, algorithm: str, fresh: Fresh) -> Prepared:
    """One set of buffers and the call of an algorithm's pass.

    Raises:
        UnsupportedCaseError: PyTorch's own product has no groups.
    """
    s = call.shape
    if algorithm == "gemm" and s.groups > 1:
        raise UnsupportedCaseError("grouped convolutions go to oneDNN")
    source = fresh((call.batch, s.in_channels, s.in_height, s.in_width))
    weight = fresh((s.out_channels, s.in_channels // s.groups, s.kernel_height, s.kernel_width))
    strides, padding = (s.stride_height, s.stride_width), padding_of(s)
    upstream = fresh((call.batch, s.out_channels, s.out_height, s.out_width))
    mask = (call.which is Pass.INPUT_GRADIENT, call.which is Pass.WEIGHT_GRADIENT, False)

    def run() -> Tensor:
        if call.which is Pass.FORWARD:
            return torch.nn.functional.conv2d(source, weight, None, strides, padding, 1, s.groups)
        return torch.ops.aten.convolution_backward(
            upstream, source, weight, None, strides, padding, (1, 1), False, (0, 0), s.groups, mask
        )

    patches = SIZE * s.in_channels * s.kernel_height * s.kernel_width * s.out_height * s.out_width
    workspace = float(call.batch * patches) if algorithm == "gemm" else 0.0
    return Prepared(calls=(run,), workspace=workspace, background=_library(torch, algorithm))


def _library(torch: Torch, algorithm: str) -> Callable[[], AbstractContextManager[None]]:
    if algorithm != "gemm":
        return nullcontext
    return lambda: _without_onednn(torch)


@contextmanager
def _without_onednn(torch: Torch) -> Iterator[None]:
    """OneDNN switched off; PyTorch's own context would warn of flags for GPUs of another maker."""
    before = torch._C._get_mkldnn_enabled()  # noqa: SLF001 - what `torch.backends.mkldnn.flags` sets
    torch._C._set_mkldnn_enabled(False)  # noqa: SLF001
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)  # noqa: SLF001


def build_attention(torch: Torch, case: Case, which: Pass, fresh: Fresh) -> Call:
    """Scaled dot-product attention of one set of operands, as its fused kernel computes it."""
    dims = case.dims
    shape = (dims["batch"], dims["heads"], dims["tokens"], dims["head_size"])
    operands = tuple(fresh(shape, grad=True) for _ in range(3))
    attention, causal = torch.nn.functional.scaled_dot_product_attention, bool(dims["causal"])

    def forward() -> Tensor:
        with torch.enable_grad():  # keeps what the backward kernel reads
            return attention(*operands, is_causal=causal)

    if which is Pass.FORWARD:
        return forward
    result = forward()
    upstream = fresh(result.shape)
    return lambda: torch.autograd.grad(result, operands, upstream, retain_graph=True)
