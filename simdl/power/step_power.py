"""Power of a step: the utilisation of its devices out of its report, and what they draw on average.

Kernels of the passes are bound by arithmetic or by memory (``memory_bound_fraction``); the update and the
compression of gradients stream through memory. All other causes count as idle, messages too, whose copies
use little of either. Every device is taken to do what the mean pipeline rank does.
"""

from dataclasses import dataclass

from hardware.cluster import Cluster
from simdl.power.device_power import device_power_model
from simdl.report.step_report import StepReport

PASSES = ("forward", "backward", "recompute", "contention")
STREAMING = ("optimizer", "compression")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPower:
    """What a cluster draws while it trains.

    Attributes:
        compute: share of the step in kernels that arithmetic bounds.
        memory: share of the step in kernels that memory bandwidth bounds.
        devices: [W] of all devices.
        hosts: [W] of all nodes beside their devices.
        notes: what each number rests on.
    """

    compute: float
    memory: float
    devices: float
    hosts: float
    notes: tuple[str, ...]

    @property
    def total(self) -> float:
        """[W] of the cluster, switches and cooling of the building aside."""
        return self.devices + self.hosts


def step_power(report: StepReport, cluster: Cluster) -> StepPower:
    """Mean power over a step.

    Raises:
        HardwareError: no board power is published for a device of the cluster.
    """
    seconds = report.step_time
    passes = sum(report.breakdown.get(cause, 0.0) for cause in PASSES) / seconds
    streaming = sum(report.breakdown.get(cause, 0.0) for cause in STREAMING) / seconds
    compute = passes * (1 - report.memory_bound_fraction)
    memory = passes * report.memory_bound_fraction + streaming
    models = [(part.devices, device_power_model(part.device, part.node)) for part in cluster.parts]
    return StepPower(
        compute=compute,
        memory=memory,
        devices=sum(count * model.device(compute=compute, memory=memory) for count, model in models),
        hosts=sum(count * model.host for count, model in models),
        notes=tuple(dict.fromkeys(note for _, model in models for note in model.notes)),
    )
