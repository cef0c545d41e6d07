"""Checkpoints: bytes of parameters and optimizer state, written once whatever the replicas, and seconds."""

from simdl.step.step_cost import StepCost
from simdl.step.update import moment_bytes


def checkpoint_bytes(step: StepCost) -> float:
    """[bytes] of one checkpoint: master copies (or parameters) and moments of all stages."""
    precision, strategy = step.workload.precision, step.strategy
    elements = sum(
        share.parameters * strategy.tp for rank in range(strategy.pp) for share in step.rank_gradients(rank)
    )
    return elements * ((precision.master or precision.parameter) + moment_bytes(step.workload))


def checkpoint_time(nbytes: float, bandwidth: float) -> float:
    """[s] to write or read a checkpoint through storage of so many bytes/s."""
    return nbytes / bandwidth
