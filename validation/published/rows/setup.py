"""A published row as a question to the simulator, with what was assumed."""

from dataclasses import dataclass
from functools import cache

from hardware.cluster import Cluster
from simdl.step.strategy import Strategy
from validation.published.rows.quantities import Part
from workloads.dtypes import Precision
from workloads.network import Network
from workloads.optimizers import load_optimizer
from workloads.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One published run, ready to simulate.

    Attributes:
        workload, cluster: what ran, on what.
        strategies: candidates, least recomputation first; the first that fits is the prediction.
        stack: name of the software stack.
        measured: printed result in ``unit``; None where memory is all that was measured.
        counted: what ``measured`` counts of a sample over its tokens (not padding, not the source's).
        unit: one of ``validation.published.rows.quantities``; ``s`` for a step time.
        part: of a step that was timed.
        launch_factor: replicas whose kernels one host process launches.
        copied: [bytes] of a batch that the timed step copies from the host's pageable memory.
        out_of_memory: the run failed for lack of memory.
        measured_memory: [bytes] printed peak, None where blank.
        tensors_alone: the peak is that of tensors, without contexts and libraries.
        question: rows with the same question are alternatives that can be ranked.
        assumptions: blanks that took a default.
        warnings: such as a stack that is only a default.
    """

    workload: Workload
    cluster: Cluster
    strategies: tuple[Strategy, ...]
    stack: str
    measured: float | None
    unit: str
    out_of_memory: bool
    measured_memory: float | None
    question: tuple[str, ...]
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    part: Part = "step"
    launch_factor: int = 1
    copied: float = 0.0
    counted: float = 1.0
    tensors_alone: bool = False


@cache
def shared_workload(network: Network, optimizer: str, precision: Precision, global_batch: int) -> Workload:
    """One workload object per distinct workload, so that costs remembered by identity are shared."""
    return Workload(
        network=network,
        optimizer=load_optimizer(optimizer),
        precision=precision,
        global_batch=global_batch,
    )
