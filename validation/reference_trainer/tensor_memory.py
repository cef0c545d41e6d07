"""Bytes that a rank's tensors hold: at their peak during a step, by part, and kept for the backward pass.

On CPUs torch's profiler reports every allocation and release of the tensor allocator, kernels' own temporary
tensors included, so the running sum from before the model was built is exact. On GPUs the caching allocator
counts itself. What oneDNN, BLAS or the collective library allocate past torch's allocator is not counted
(`resident` has it).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from validation.reference_trainer.trainer import FORWARD, SAVED, Trainer

MEASURED = "simdl measured step"
EVENT = "[memory]"
STEPS = 3
"""The first creates the optimizer state, in the second DDP rebuilds its buckets, the third is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorMemory:
    """Bytes of one rank.

    Attributes:
        peak: [bytes] largest sum of live tensors in the last step.
        parts: [bytes] by part; adds up to ``peak``.
        saved: [bytes] more at the end of the first forward pass than before it.
    """

    peak: float
    parts: dict[str, float]
    saved: float


def measure_memory(build: Callable[[], Trainer], device: torch.device) -> tuple[Trainer, TensorMemory]:
    """Build a trainer and run its first steps under observation."""
    return _on_gpu(build, device) if device.type == "cuda" else _on_cpu(build)


def _on_cpu(build: Callable[[], Trainer]) -> tuple[Trainer, TensorMemory]:
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        trainer = build()
        for _ in range(STEPS - 1):
            trainer.step()
        with record_function(MEASURED):
            trainer.step(_mark)
            held = trainer.update.held()
    return trainer, _memory(held, *_replay(recorded.profiler.kineto_results.events()))


def _mark(name: str) -> None:
    with record_function(name):
        pass


def _replay(events: Iterable[Any]) -> tuple[float, float]:
    """Peak within the measured step, and growth between its marks; events of the profiler in any order."""
    marks: dict[str, int] = {}
    changes: list[tuple[int, int]] = []
    for event in events:
        if event.name() == EVENT:
            changes.append((event.start_ns(), event.nbytes()))
        elif event.name() in (MEASURED, FORWARD, SAVED):
            marks[event.name()] = event.start_ns()
    changes.sort(key=lambda change: change[0])
    live = peak = 0
    at = dict.fromkeys(marks, 0)
    for time, nbytes in changes:
        live += nbytes
        if time > marks[MEASURED]:
            peak = max(peak, live)
        at |= {name: live for name, mark in marks.items() if time <= mark}
    return float(max(peak, at[MEASURED])), float(at[SAVED] - at[FORWARD])


def _on_gpu(build: Callable[[], Trainer], device: torch.device) -> tuple[Trainer, TensorMemory]:
    trainer = build()
    for _ in range(STEPS - 1):
        trainer.step()
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    live: dict[str, float] = {}

    def observe(name: str) -> None:
        live[name] = float(torch.cuda.memory_allocated(device))

    trainer.step(observe)
    torch.cuda.synchronize(device)
    peak = float(torch.cuda.max_memory_allocated(device))
    return trainer, _memory(trainer.update.held(), peak, live[SAVED] - live[FORWARD])


def _memory(held: dict[str, float], peak: float, saved: float) -> TensorMemory:
    rest = peak - sum(held.values())
    return TensorMemory(peak=peak, parts={**held, "activations": rest}, saved=saved)
