"""Kernels that were measured on the very device: their terms take the place of the analytic model.

    key of a kernel                          operands
    ``elementwise/relu``                     ``all``
    ``matmul/product/fp32``                  ``left``, ``right``, ``result``
    ``attention/forward/fp32``               ``all``
    ``convolution/forward/direct/fp32``      ``source``, ``filter``, ``result``

A kernel that streams and has no terms of its own takes those of its kind (``elementwise``). Products and
attention of a dtype that was not measured have none and are priced analytically. ``/strided`` behind a
convolution's key holds for strides above one.
"""

from collections.abc import Mapping
from math import ceil, prod

from hardware.device import Device
from hardware.kernel_terms import KernelTerms, terms_time
from simdl.kernel import AttentionCall, ConvolutionCall, Kernel, Product
from simdl.kernel_costs.matmul import ELEMENT_SIZE


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
    kind = kernel.kind.value
    if isinstance(kernel.shape, AttentionCall):
        return (f"{kind}/{kernel.shape.which.value}/{kernel.dtype}",)
    if kernel.shape is not None:
        return (f"{kind}/{kernel.name}/{kernel.dtype}", f"{kind}/{kernel.dtype}")
    return (f"{kind}/{kernel.name}", kind)


def operand_bytes(kernel: Kernel) -> Mapping[str, float]:
    """[bytes] by operand of a kernel that is no convolution."""
    if not isinstance(kernel.shape, Product):
        return {"all": kernel.nbytes}
    size = ELEMENT_SIZE[kernel.dtype] * kernel.shape.count
    m, n, k = kernel.shape.m, kernel.shape.n, kernel.shape.k
    return {"left": size * m * k, "right": size * k * n, "result": size * m * n}


def convolution_key(call: ConvolutionCall, algorithm: str, dtype: str) -> str:
    """Key of the terms of one algorithm."""
    strided = "/strided" if is_strided(call) else ""
    return f"convolution/{call.which.value}/{algorithm}/{dtype}{strided}"


def is_strided(call: ConvolutionCall) -> bool:
    """Whether filters skip pixels."""
    return call.shape.stride_height * call.shape.stride_width > 1


def convolution_terms_time(call: ConvolutionCall, algorithm: str, device: Device, dtype: str) -> float | None:
    """Device seconds of one launch of an algorithm by its terms; None where the device has none."""
    terms = device.kernels.get(convolution_key(call, algorithm, dtype))
    if terms is None:
        return None
    return terms_time(terms, convolution_flops(call, terms.lanes), convolution_bytes(call, dtype))


def convolution_flops(call: ConvolutionCall, lanes: int) -> float:
    """Flops with channels filled up to whole vectors; input channels short of a vector stay as they are."""
    s = call.shape
    inner, outer = s.in_channels // s.groups, s.out_channels // s.groups
    filled = ceil(outer / lanes) * lanes * (ceil(inner / lanes) * lanes if inner > lanes else inner)
    pixels = call.batch * s.out_height * s.out_width
    return 2.0 * pixels * s.kernel_height * s.kernel_width * s.groups * filled


def convolution_bytes(call: ConvolutionCall, dtype: str) -> Mapping[str, float]:
    """[bytes] by operand; the same operands in all three passes, one of them the one that is computed."""
    s = call.shape
    size = ELEMENT_SIZE[dtype]
    return {
        "source": size * call.batch * prod((s.in_channels, s.in_height, s.in_width)),
        "filter": size * prod((s.out_channels, s.in_channels // s.groups, s.kernel_height, s.kernel_width)),
        "result": size * call.batch * prod((s.out_channels, s.out_height, s.out_width)),
    }
