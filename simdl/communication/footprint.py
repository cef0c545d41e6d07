"""Footprint: what a communication kernel takes of the device that computes beside it.

A kernel occupies as many multiprocessors as it needs for its bandwidth and shares none with other kernels
(NVIDIA/nccl issue 689: 2 for a network card of up to 24 GB/s, 16 for a node at 190 GB/s), and it reads and
writes device memory for every byte that it sends. Work beside it is slowed by whichever it misses more.
"""

from hardware.device import Device
from simdl.communication.library import Library


def footprint(library: Library, device: Device, *, rate: float, traffic: float) -> float:
    """Share of a device that a transfer takes from work beside it, in [0, 1].

    Args:
        library: the collective library.
        device: where its kernel runs.
        rate: [bytes/s] that one rank sends while the kernel runs, on the level where it sends most.
        traffic: [bytes/s] that the kernel reads and writes in device memory.
    """
    processors = 0.0
    if library.processor_bandwidth > 0 and rate > 0:
        processors = max(1.0, rate / library.processor_bandwidth) / device.multiprocessors
    return min(1.0, max(processors, traffic / device.memory_bandwidth))
