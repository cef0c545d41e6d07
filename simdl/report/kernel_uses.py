"""Which kernels a step runs on a rank, how often and how long: the operators of a roofline.

A kernel is bound by memory where its traffic at the peak bandwidth takes longer than its arithmetic at the
peak rate (Williams et al. 2009).
"""

from dataclasses import dataclass
from functools import lru_cache

from hardware.device import Device
from simdl.kernels.kernel import Kernel, Recurrence
from simdl.kernels.pricing import Pricing, priced
from simdl.step.costs.pass_contents import Division, pass_kernels
from simdl.step.costs.step_cost import StepCost, division_of
from workloads.operators import Pass


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelUse:
    """One operator in one pass of one block, for one microbatch; repeated blocks are added up.

    Attributes:
        name: block, layer, operator and pass.
        kind: rule of the cost model.
        flops: of all launches.
        nbytes: [bytes] of all launches.
        seconds: [s] of device time.
        memory_bound: traffic takes longer than arithmetic, each at its peak.
    """

    name: str
    kind: str
    flops: float
    nbytes: float
    seconds: float
    memory_bound: bool


def kernel_uses(step: StepCost) -> tuple[KernelUse, ...]:
    """Kernels of one microbatch over the whole network on one rank.

    Without recomputation, and without the adding up of gradients of several microbatches.
    """
    return _kernel_uses(step.pricing, division_of(step.strategy))


def memory_bound_fraction(uses: tuple[KernelUse, ...]) -> float:
    """Share of the device time of kernels that is spent in those bound by memory."""
    total = sum(use.seconds for use in uses)
    return sum(use.seconds for use in uses if use.memory_bound) / total if total else 0.0


@lru_cache(maxsize=1024)
def _kernel_uses(pricing: Pricing, division: Division) -> tuple[KernelUse, ...]:
    device = pricing.cluster.device
    return tuple(
        KernelUse(
            name=f"{block.name}/{layer}/{kernel.name} {which.name.lower().replace('_', ' ')}",
            kind=kernel.kind.value,
            flops=kernel.flops * block.count,
            nbytes=kernel.nbytes * block.count,
            seconds=priced(pricing, [kernel]).device * block.count,
            memory_bound=is_memory_bound(kernel, device),
        )
        for block in pricing.network.blocks
        for which in Pass
        for layer, kernel in pass_kernels(pricing, division, block, which)
    )


def is_memory_bound(kernel: Kernel, device: Device) -> bool:
    """Whether a kernel's traffic at the peak bandwidth takes longer than its arithmetic at the peak rate."""
    streams = (kernel.shape.product if isinstance(kernel.shape, Recurrence) else kernel.shape) is None
    peak = device.vector_flop_rate if streams else device.flop_rate(kernel.dtype)
    return kernel.nbytes / device.memory_bandwidth > kernel.flops / peak
