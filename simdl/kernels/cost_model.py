"""Kernels to seconds: the seam between what is launched and how long a device takes.

    time = latency + combine(flops / achieved rate, bytes / achieved bandwidth)

``combine`` is the larger of the two for kernels that only stream, and the root of the sum of squares for
matrix products, convolutions and attention: loading and arithmetic overlap imperfectly where both matter
(this cuts the mean error on DeepBench's FP16 products on a V100 from 13 to 10 %, with the bandwidth that
streaming kernels reach). A kernel that was measured on the very device is priced by its terms instead
(`simdl.kernels.costs.terms`). Host launch cost is not in it: it belongs to the software stack and runs ahead
of the device.
"""

from abc import ABC, abstractmethod
from typing import assert_never, final

import numpy as np
from numpy.typing import NDArray

from hardware.architecture import architectures
from hardware.device import Device
from hardware.power_shares import power_shares
from simdl.kernels.costs.attention import attention_time
from simdl.kernels.costs.convolution import AlgorithmCost
from simdl.kernels.costs.convolution_launch import fastest_launch
from simdl.kernels.costs.matmul import matmul_time
from simdl.kernels.costs.memory_bound import blocks_time, traffic_time, walk_time
from simdl.kernels.costs.recurrence import one_step, recurrence_time
from simdl.kernels.costs.terms import measured_time
from simdl.kernels.cudnn import is_served
from simdl.kernels.kernel import AttentionCall, ConvolutionCall, Kernel, Product, Recurrence, kernel_rows
from workloads.amounts import as_number, is_table, larger, root_of_squares
from workloads.weight_format import UNSTRUCTURED


class CostModel(ABC):
    """Prices kernels of one device."""

    @abstractmethod
    def kernel_time(self, kernel: Kernel) -> float:
        """Device seconds of one launch."""

    def kernel_workspace(self, kernel: Kernel) -> float:
        """[bytes] of scratch memory that one launch takes beside its tensors, 0 for models that know none."""
        del kernel
        return 0.0

    def kernel_times(self, kernel: Kernel) -> NDArray[np.float64]:
        """[n] device seconds of a kernel whose dimensions are arrays [n], one launch each."""
        rows = kernel_rows(kernel)
        times = {row: self.kernel_time(row) for row in set(rows)}
        return np.array([times[row] for row in rows])


@final
class DeviceCostModel(CostModel):
    """Prices kernels by the achieved fractions of a device profile; remembers the products it has priced."""

    def __init__(self, device: Device) -> None:
        architectures()  # faults of their files are told before anything is priced
        power_shares()
        self._device = device
        self._times: dict[tuple[object, ...], float] = {}
        self._spaces: dict[tuple[object, ...], float] = {}

    def kernel_time(self, kernel: Kernel) -> float:
        """Device seconds of one launch.

        Raises:
            HardwareError: the device has no arithmetic of the kernel's dtype.
        """
        if kernel.shape is None:
            return estimate_kernel_time(kernel, self._device)
        key = _key(kernel)
        time = self._times.get(key)
        if time is None:
            time = self._times[key] = self._launch(kernel, key)
        return time

    def kernel_workspace(self, kernel: Kernel) -> float:
        """[bytes] of workspace of the algorithm that a convolution's time is of.

        Only cuDNN is handed its workspace whole. Other libraries form their patches block by block, or image
        by image (PyTorch, aten/src/ATen/native/ConvolutionMM2d.cpp).
        """
        if not isinstance(kernel.shape, ConvolutionCall) or not is_served(self._device):
            return 0.0
        self.kernel_time(kernel)
        return self._spaces[_key(kernel)]

    def _launch(self, kernel: Kernel, key: tuple[object, ...]) -> float:
        """[s] of a launch; the workspace of a convolution is noted."""
        if not isinstance(kernel.shape, ConvolutionCall):
            return estimate_kernel_time(kernel, self._device)
        cost = convolution_launch(kernel, kernel.shape, self._device)
        self._spaces[key] = cost.workspace
        return cost.time

    def kernel_times(self, kernel: Kernel) -> NDArray[np.float64]:
        """[n] device seconds of a kernel whose dimensions are arrays [n], one launch each."""
        if self._device.kernels or isinstance(kernel.shape, ConvolutionCall):
            return super().kernel_times(kernel)
        return np.asarray(estimate_kernel_time(kernel, self._device))


def _key(kernel: Kernel) -> tuple[object, ...]:
    """All that a launch's price follows."""
    sparse = kernel.pattern, kernel.density
    return kernel.name, kernel.kind, kernel.shape, kernel.dtype, kernel.nbytes, kernel.flops, sparse


@final
class ConstantCostModel(CostModel):
    """The same rate for every kernel, for tests and closed forms.

    Args:
        seconds: of every launch, whatever it does.
        seconds_per_flop: added for each floating-point operation.
        seconds_per_byte: added for each byte.
    """

    def __init__(
        self, seconds: float = 0.0, *, seconds_per_flop: float = 0.0, seconds_per_byte: float = 0.0
    ) -> None:
        self._seconds = seconds
        self._seconds_per_flop = seconds_per_flop
        self._seconds_per_byte = seconds_per_byte

    def kernel_time(self, kernel: Kernel) -> float:
        """Device seconds of one launch."""
        return self._seconds + kernel.flops * self._seconds_per_flop + kernel.nbytes * self._seconds_per_byte


def launch_time(model: CostModel, kernel: Kernel) -> float:
    """Device seconds of one launch, or [n] where the kernel's dimensions are arrays [n]."""
    if is_table(kernel.nbytes, kernel.flops):
        seconds: float = as_number(model.kernel_times(kernel))
        return seconds
    return model.kernel_time(kernel)


def estimate_kernel_time(kernel: Kernel, device: Device) -> float:
    """Device seconds of one launch, not remembered.

    Raises:
        HardwareError: the device has no arithmetic of the kernel's dtype.
    """
    if isinstance(kernel.shape, Recurrence):
        step = estimate_kernel_time(one_step(kernel, kernel.shape, device), device)
        return recurrence_time(kernel.shape, device, step)
    if isinstance(kernel.shape, ConvolutionCall):
        return convolution_launch(kernel, kernel.shape, device).time
    measured = measured_time(kernel, device) if device.kernels else None
    if measured is not None:
        return measured
    traffic = traffic_time(kernel.nbytes, device, kernel.kind)
    if kernel.walked:
        traffic = traffic + walk_time(kernel.walked, kernel.blocks, device)
    elif kernel.blocks:
        traffic = larger(traffic, blocks_time(kernel.nbytes, kernel.blocks, device))
    if kernel.shape is None:
        return device.memory.latency + larger(kernel.flops / device.vector_flop_rate, traffic)
    arithmetic = _arithmetic_time(kernel.shape, device, kernel.dtype)
    if kernel.pattern:
        arithmetic = arithmetic / sparse_speed(kernel, device)
    return device.matmul.latency + root_of_squares(arithmetic, traffic)


def convolution_launch(kernel: Kernel, call: ConvolutionCall, device: Device) -> AlgorithmCost:
    """The fastest algorithm of a convolution.

    Raises:
        HardwareError: the device has no arithmetic of the kernel's dtype, or offers no algorithm.
    """
    faster = sparse_speed(kernel, device)
    return fastest_launch(call, device, kernel.dtype, kernel.nbytes, speed=faster)


def launch_workspace(model: CostModel, kernel: Kernel) -> float:
    """[bytes] of scratch memory of one launch, or [n] where the kernel's dimensions are arrays [n]."""
    if is_table(kernel.nbytes, kernel.flops):
        spaces: float = as_number(np.array([model.kernel_workspace(row) for row in kernel_rows(kernel)]))
        return spaces
    return model.kernel_workspace(kernel)


def sparse_speed(kernel: Kernel, device: Device) -> float:
    """Arithmetic of a kernel's dense matrix over what remains of it with the zeros of its weights left out.

    A regular pattern has a peak of its own. Kernels for zeros at any place skip them with a share of the
    dense kernels' speed, and dense ones are taken where these are faster.

    Raises:
        HardwareError: the device has no kernels for the pattern.
    """
    if not kernel.pattern:
        return 1.0
    speed = device.sparse_speed(kernel.pattern)
    return speed if kernel.pattern != UNSTRUCTURED else max(1.0, speed / kernel.density)


def _arithmetic_time(shape: Product | AttentionCall, device: Device, dtype: str) -> float:
    match shape:
        case Product():
            return matmul_time(shape, device, dtype)
        case AttentionCall():
            return attention_time(shape, device, dtype)
        case _:
            assert_never(shape)
