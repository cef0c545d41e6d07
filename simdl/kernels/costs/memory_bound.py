"""Kernels bound by memory: element-wise operators, reductions, normalisation, gathers.

time = latency + nbytes / (bandwidth x fraction)
"""

from hardware.device import Device
from workloads.operators import OperatorKind

REDUCTIONS = frozenset({OperatorKind.SOFTMAX, OperatorKind.NORMALIZATION, OperatorKind.REDUCTION})
"""Kinds that exchange partial results between threads."""


def traffic_time(nbytes: float, device: Device, kind: OperatorKind = OperatorKind.ELEMENTWISE) -> float:
    """Seconds to move ``nbytes`` [bytes] between memory and the multiprocessors, without latency."""
    efficiency = device.memory
    fraction = efficiency.reduction if kind in REDUCTIONS else efficiency.fraction
    return nbytes / (device.memory_bandwidth * fraction)
