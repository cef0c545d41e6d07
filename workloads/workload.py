"""Workload: a network, an optimizer, a number format and a global batch - what is computed."""

from dataclasses import dataclass

from workloads.dtypes import Precision
from workloads.errors import WorkloadError
from workloads.input_pipeline import InputPipeline
from workloads.network import Network
from workloads.optimizers import Optimizer

GLOBAL_BATCH = 100_000_000
"""Samples of a step, at most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Workload:
    """What one training step computes.

    Attributes:
        network: the layers.
        optimizer: the update rule.
        precision: the number formats.
        global_batch: samples per step over all replicas.
        inputs: what prepares the samples; None where they are taken to be there.

    Raises:
        WorkloadError: a global batch below one or above ``GLOBAL_BATCH``, or a network that is only counted.
    """

    network: Network
    optimizer: Optimizer
    precision: Precision
    global_batch: int
    inputs: InputPipeline | None = None

    def __repr__(self) -> str:
        return f"<Workload {self.network.name}: global batch {self.global_batch:,}, {self.precision.name}>"

    def __post_init__(self) -> None:
        if self.network.obstacle:
            raise WorkloadError(self.network.obstacle)
        if self.global_batch < 1:
            raise WorkloadError(f"global batch: found {self.global_batch}; expected at least 1")
        if self.global_batch > GLOBAL_BATCH:
            raise WorkloadError(
                f"global batch: found {self.global_batch:,}; expected at most {GLOBAL_BATCH:,}"
            )
