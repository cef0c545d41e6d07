"""Plain data parallelism, simulated: the yardstick of scaling curves.

One replica a device, in the largest microbatch that fits; the strategy runs as `simdl simulate` runs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hardware.units import format_quantity
from simdl.divisors import divisors
from simdl.errors import StrategyError
from simdl.kernels.pricing import Pricing
from simdl.memory.needs import memory_shortfalls, usable_memory
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy
from workloads.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class DataParallelRun:
    """One step of plain data parallelism.

    Attributes:
        step_time: [s].
        breakdown: [s] by cause.
        peak_memory: [bytes].
        reason: why it cannot run, empty if it can.
        kernels: [s] of the passes by kind of kernel.
    """

    step_time: float
    breakdown: Mapping[str, float]
    peak_memory: float
    reason: str = ""
    kernels: Mapping[str, float] = field(default_factory=dict)


def simulate_data_parallel(workload: Workload, pricing: Pricing) -> DataParallelRun:
    """One replica on each device of ``pricing.cluster``.

    A batch that the devices do not divide cannot run; one that does not fit in memory is simulated all the
    same and says so.

    Raises:
        HardwareError: the device has no arithmetic of the workload's precision.
    """
    devices = pricing.cluster.devices
    if workload.global_batch % devices:
        reason = f"global batch {workload.global_batch} on {devices} devices"
        reason += ": fewer samples than devices" if workload.global_batch < devices else ": does not divide"
        return DataParallelRun(step_time=0.0, breakdown={}, peak_memory=0.0, reason=reason)
    strategy = Strategy(dp=devices)
    if _fits(strategy, workload, pricing):
        sizes = reversed(divisors(workload.global_batch // devices))
        larger = (Strategy(dp=devices, micro_batch=size) for size in sizes)
        strategy = next(each for each in larger if _fits(each, workload, pricing))
    try:
        found = simulate(
            workload, pricing.cluster, strategy, stack=pricing.stack, cost_model=pricing.cost_model
        ).report
    except StrategyError as error:
        return DataParallelRun(step_time=0.0, breakdown={}, peak_memory=0.0, reason=str(error))
    return DataParallelRun(
        step_time=found.step_time,
        breakdown=found.breakdown,
        peak_memory=found.peak_memory,
        reason=_shortfall(found.peak_memory, pricing),
        kernels=found.kernels,
    )


def _fits(strategy: Strategy, workload: Workload, pricing: Pricing) -> bool:
    step = step_cost(workload, strategy, pricing)
    return not any(memory_shortfalls(step, pricing.cluster.device))


def _shortfall(need: float, pricing: Pricing) -> str:
    usable = usable_memory(pricing.stack, pricing.cluster.device)
    if need <= usable:
        return ""
    found = f"needs {format_quantity(need, 'bytes')} of {format_quantity(usable, 'bytes')} usable"
    return f"does not fit in memory of a device: {found}"
