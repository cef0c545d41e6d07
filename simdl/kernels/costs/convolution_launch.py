"""Launches of a convolution: every algorithm a device offers for it, whole time and workspace.

Algorithms that were measured on the very device come from their terms (`simdl.kernels.costs.terms`), and then
from them alone; otherwise arithmetic and traffic of the analytic model are combined like those of any product
(`simdl.kernels.cost_model`).
"""

from collections.abc import Iterator

from hardware.device import Device
from hardware.errors import HardwareError
from simdl.kernels.costs.convolution import (
    REDUCTIONS,
    AlgorithmCost,
    algorithm_workspace,
    convolution_times,
)
from simdl.kernels.costs.memory_bound import traffic_time
from simdl.kernels.costs.terms import convolution_terms_time
from simdl.kernels.kernel import ConvolutionCall
from workloads.amounts import root_of_squares

WORKSPACE_LIMIT = 4 * 2**30
"""[bytes] TensorFlow's default for cuDNN (TF_CUDNN_WORKSPACE_LIMIT_IN_MB = 4096)."""


def fastest_launch(
    call: ConvolutionCall,
    device: Device,
    dtype: str,
    nbytes: float,
    limit: float = WORKSPACE_LIMIT,
    *,
    speed: float = 1.0,
) -> AlgorithmCost:
    """The fastest algorithm whose workspace is at most ``limit`` [bytes].

    ``speed`` is that of kernels that leave out zeros of the filters, over dense ones.

    Raises:
        HardwareError: the device has no such dtype, or offers no algorithm for this call.
    """
    launches = convolution_launches(call, device, dtype, nbytes, speed=speed)
    allowed = [cost for cost in launches if cost.workspace <= limit]
    if not allowed:
        raise HardwareError(
            f"device {device.name}: efficiency.convolution.fraction offers no algorithm for {call} within "
            f"{limit:.0f} bytes of workspace; implicit_gemm needs none"
        )
    return min(allowed, key=lambda cost: cost.time)


def convolution_launches(
    call: ConvolutionCall, device: Device, dtype: str, nbytes: float, *, speed: float = 1.0
) -> tuple[AlgorithmCost, ...]:
    """Time of a whole launch and workspace of every algorithm that the device offers for this call.

    Args:
        call: what is convolved.
        device: where.
        dtype: arithmetic.
        nbytes: [bytes] that the launch moves.
        speed: of kernels that leave out zeros of the filters, over dense ones.

    Raises:
        HardwareError: the device has no such dtype, or its profile names an unknown algorithm.
    """
    measured = tuple(_measured_launches(call, device, dtype)) if device.kernels else ()
    if measured:
        return measured
    traffic = traffic_time(nbytes, device)
    return tuple(
        AlgorithmCost(
            cost.algorithm,
            device.matmul.latency + root_of_squares(cost.time / speed, traffic),
            cost.workspace,
        )
        for cost in convolution_times(call, device, dtype)
    )


def _measured_launches(call: ConvolutionCall, device: Device, dtype: str) -> Iterator[AlgorithmCost]:
    for name in REDUCTIONS:
        time = convolution_terms_time(call, name, device, dtype)
        workspace = None if time is None else algorithm_workspace(name, call, device, dtype)
        if time is not None and workspace is not None:
            yield AlgorithmCost(name, time, workspace)
