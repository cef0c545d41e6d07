"""Prices: kernels to seconds of work in one software stack on one cluster."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from hardware.cluster import Cluster
from hardware.device import Device
from hardware.sustained import training_clock
from simdl.kernels.cost_model import CostModel, launch_time, launch_workspace
from simdl.kernels.costs.matmul import uses_matrix_units
from simdl.kernels.costs.memory_bound import traffic_time
from simdl.kernels.costs.recurrence import host_launches
from simdl.kernels.kernel import AttentionCall, Kernel, Product, joined_products
from simdl.software.stack import Stack
from workloads.amounts import as_number, choose, is_table, larger, power, root_of_squares, smaller
from workloads.dtypes import Precision
from workloads.network import Network
from workloads.operators import PRODUCTS, AttentionShape, OperatorKind


@dataclass(frozen=True, slots=True)
class Work:
    """Seconds of one pass by cause.

    Attributes:
        device: [s] kernels back to back on the device.
        tensor: [s] exposed tensor-parallel communication.
        context: [s] exposed context-parallel communication.
        resharding: [s] of tensors that change layout between two layers.
        dispatch: [s] exposed communication of tokens with their experts.
        stall: [s] the device waits for kernels that the host cannot launch ahead.
        launches: kernels that the host launches, in launches of a forward pass.
        calls: collectives and transfers the host calls.
        workspace: [bytes] of scratch memory of the kernel that takes most.
    """

    device: float = 0.0
    tensor: float = 0.0
    context: float = 0.0
    resharding: float = 0.0
    dispatch: float = 0.0
    stall: float = 0.0
    launches: float = 0
    calls: int = 0
    workspace: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.device + other.device,
            self.tensor + other.tensor,
            self.context + other.context,
            self.resharding + other.resharding,
            self.dispatch + other.dispatch,
            self.stall + other.stall,
            self.launches + other.launches,
            self.calls + other.calls,
            larger(self.workspace, other.workspace),
        )

    def times(self, count: int) -> "Work":
        """The same work ``count`` times."""
        return Work(
            self.device * count,
            self.tensor * count,
            self.context * count,
            self.resharding * count,
            self.dispatch * count,
            self.stall * count,
            self.launches * count,
            self.calls * count,
            self.workspace,
        )

    @property
    def busy(self) -> float:
        """[s] the device is occupied when the host keeps up."""
        return self.device + self.tensor + self.context + self.resharding + self.dispatch + self.stall


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """Everything that prices blocks: the identity of these objects keys the cache."""

    network: Network
    precision: Precision
    cluster: Cluster
    stack: Stack
    cost_model: CostModel


def priced(pricing: Pricing, kernels: list[Kernel]) -> Work:
    """Kernels back to back on the device, each launched by the host."""
    return kernel_work(kernels, pricing.stack, pricing.cluster.device, pricing.cost_model)


def kernel_work(kernels: list[Kernel], stack: Stack, device: Device, model: CostModel) -> Work:
    """:func:`priced`, by what it hangs on: links have no part in it.

    How many rows each expert has the host learns when the router has run, so it cannot launch their kernels
    ahead: the device waits for each of them.
    """
    seconds = sum(_kernel_times(kernels, stack, device, model))
    launches = sum(host_launches(kernel.shape, device) for kernel in kernels if not kernel.inner)
    stall = sum(kernel.experts for kernel in kernels) * stack.expert_launch
    space = kernels_workspace(model, kernels)
    return Work(device=seconds, launches=launches, stall=stall, workspace=space)


def kernels_workspace(model: CostModel, kernels: Iterable[Kernel]) -> float:
    """[bytes] of the largest workspace: launches of one stream take theirs one after another."""
    convolutions = (kernel for kernel in kernels if kernel.kind is OperatorKind.CONVOLUTION)
    return reduce(larger, (launch_workspace(model, kernel) for kernel in convolutions), 0.0)


def _kernel_times(kernels: list[Kernel], stack: Stack, device: Device, model: CostModel) -> list[float]:
    """Device seconds of each kernel; of tables, products that differ in their dimensions alone at once."""
    times = [0.0] * len(kernels)
    alike: dict[tuple[object, ...], list[int]] = {}
    for place, kernel in enumerate(kernels):
        if isinstance(kernel.shape, Product) and is_table(kernel.nbytes):
            key = (
                kernel.name if device.kernels else "",
                kernel.kind,
                kernel.dtype,
                kernel.pattern,
                kernel.density,
            )
            alike.setdefault(key, []).append(place)
        else:
            times[place] = _kernel_time(kernel, stack, device, model)
    for places in alike.values():
        rows = np.size(kernels[places[0]].nbytes)
        joined = joined_products([kernels[place] for place in places], rows)
        found = np.reshape(_kernel_time(joined, stack, device, model), (len(places), rows))
        for place, seconds in zip(places, found, strict=True):
            times[place] = as_number(seconds)
    return times


def _kernel_time(kernel: Kernel, stack: Stack, device: Device, model: CostModel) -> float:
    """Device seconds of one kernel in this stack, at the clock that hours of training leave.

    Products on matrix units draw the most power and lower the clock; the board's controller is slower than
    kernels are, so all products share one clock. Attention and convolutions, which run for long, lower it as
    far as they keep matrix units busy.
    """
    seconds = launch_time(model, kernel)
    if kernel.kind not in PRODUCTS:
        return seconds / stack.streaming_speed
    if uses_matrix_units(device, kernel.dtype):
        seconds = _at_clock(kernel, seconds, device)
    if kernel.kind is OperatorKind.CONVOLUTION:
        return seconds / stack.convolution_speed
    if isinstance(kernel.shape, AttentionCall):
        return seconds / choose(_is_part(kernel.shape.shape), stack.context_speed, 1.0)
    return seconds


def _at_clock(kernel: Kernel, seconds: float, device: Device) -> float:
    """Seconds of a kernel at the clock of training: its arithmetic takes longer, memory has its own clock.

    The cost model's time is latency and the root of the squares of arithmetic and traffic; the arithmetic is
    what these leave of it.
    """
    clock = _clock(kernel, seconds, device)
    traffic = traffic_time(kernel.nbytes, device, kernel.kind)
    both = larger(seconds - device.matmul.latency, traffic)
    arithmetic = power(both * both - traffic * traffic, 0.5)
    return seconds + root_of_squares(arithmetic / clock, traffic) - both


def _clock(kernel: Kernel, seconds: float, device: Device) -> float:
    """Clock of a kernel in training over that of a short benchmark, by the law of `hardware.sustained`."""
    fraction = device.matmul.fraction.get(kernel.dtype, 0.0)
    if kernel.kind is OperatorKind.MATMUL or device.sustained >= 1 or not fraction:
        return device.sustained
    share = kernel.flops / (seconds * device.flop_rate(kernel.dtype))
    return smaller(1.0, training_clock(device.sustained, share / fraction))


def _is_part(shape: AttentionShape) -> bool:
    """Whether context parallelism gives this rank only some of the queries."""
    return (shape.query_tokens < shape.key_tokens) & (not shape.crossed)
