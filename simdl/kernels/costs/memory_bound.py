"""Kernels bound by memory: element-wise operators, reductions, normalisation, gathers.

time = latency + nbytes / (bandwidth x fraction)
"""

from hardware.architecture import architecture_named
from hardware.device import Device
from workloads.operators import OperatorKind

BLOCK_LOADS = 512 * 16
"""[bytes] that the thread block of `hardware.architecture`'s ``block_bandwidth`` keeps in flight."""

WALKED = 2
"""[bytes] of the elements that ``walk_bandwidth`` was measured on."""

REDUCTIONS = frozenset({OperatorKind.SOFTMAX, OperatorKind.NORMALIZATION, OperatorKind.REDUCTION})
"""Kinds that exchange partial results between threads."""


def traffic_time(nbytes: float, device: Device, kind: OperatorKind = OperatorKind.ELEMENTWISE) -> float:
    """Seconds to move ``nbytes`` [bytes] between memory and the multiprocessors, without latency."""
    efficiency = device.memory
    fraction = efficiency.reduction if kind in REDUCTIONS else efficiency.fraction
    return nbytes / (device.memory_bandwidth * fraction)


def blocks_time(nbytes: float, blocks: float, device: Device) -> float:
    """Seconds in which so many thread blocks move ``nbytes`` [bytes], each what it keeps in flight."""
    return nbytes / (blocks * architecture_named(device.generation).block_bandwidth)


def walk_time(elements: float, blocks: float, device: Device) -> float:
    """Seconds in which so many thread blocks take elements one after another, whatever format these have."""
    return WALKED * elements / (blocks * architecture_named(device.generation).walk_bandwidth)
