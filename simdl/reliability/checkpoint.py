"""Checkpoints: bytes of parameters and optimizer state, written once whatever the replicas, and seconds."""

from simdl.step.costs.update import moment_bytes
from workloads.workload import Workload


def checkpoint_bytes(workload: Workload) -> float:
    """[bytes] of one checkpoint: master copies (or parameters) and moments of the whole network."""
    precision = workload.precision
    each = (precision.master or precision.parameter) + moment_bytes(workload)
    return workload.network.parameters * each


def checkpoint_time(nbytes: float, bandwidth: float) -> float:
    """[s] to write or read a checkpoint through storage of so many bytes/s."""
    return nbytes / bandwidth
