"""CUDA events around calls that the device finds waiting.

A kernel that takes less time than its launch would leave the device idle between launches, and events would
time the host. So a kernel that only waits goes first, long enough for the host to enqueue every call behind
it; if the host took longer, the sample is taken again with a longer wait.
"""

import time
from collections.abc import Sequence
from typing import Any, final

from validation.microbenchmarks.timing import Call, Timer

HOLD = r"""
extern "C" __global__ void hold(unsigned long long nanoseconds) {
    unsigned long long begun, now;
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(begun));
    do {
        asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
    } while (now - begun < nanoseconds);
}
"""
"""Waits on the device; `globaltimer` counts nanoseconds in steps of about one microsecond."""

LEAST, MOST = 50e-6, 20e-3
"""[s] of waiting."""

MARGIN = 1.5
TRIES = 3


@final
class CupyEventTimer(Timer):
    """CUDA events on a stream, the current one if none is given.

    Args:
        cupy: the module.
        stream: where the calls put their work.
    """

    def __init__(self, cupy: Any, stream: Any = None) -> None:  # noqa: ANN401 - a module and its stream
        self._cupy, self._stream = cupy, stream
        self._hold = cupy.RawKernel(HOLD, "hold")
        self._enqueue = LEAST

    def seconds(self, calls: Sequence[Call]) -> float:
        """Seconds between two events around the calls."""
        stream = self._stream or self._cupy.cuda.get_current_stream()
        with stream:
            for _ in range(TRIES):
                wait = min(MOST, max(LEAST, MARGIN * self._enqueue * len(calls)))
                taken, enqueued = self._sample(calls, stream, wait)
                self._enqueue = enqueued / len(calls)
                if enqueued <= wait:
                    break
        return taken

    def _sample(self, calls: Sequence[Call], stream: Any, wait: float) -> tuple[float, float]:  # noqa: ANN401
        """Seconds of the calls on the device, and seconds that the host took to enqueue them."""
        cuda = self._cupy.cuda
        start, end = cuda.Event(), cuda.Event()
        self._hold((1,), (1,), (self._cupy.uint64(wait * 1e9),))
        start.record(stream)
        begun = time.perf_counter()
        for call in calls:
            call()
        enqueued = time.perf_counter() - begun
        end.record(stream)
        end.synchronize()
        return float(cuda.get_elapsed_time(start, end)) * 1e-3, enqueued
