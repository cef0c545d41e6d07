"""Timed steps of one rank: warmed up, in step with the others, without garbage collection, within a budget.

Ranks start every step together and the slowest counts, as a simulated step starts on all ranks at zero.
Between steps rank 0 probes how fast the machine is, in the way that a calibration does, while the others
wait.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import torch
import torch.distributed as dist

from simdl.collector import collector_paused
from validation.errors import TrainerError
from validation.microbenchmarks.pace import find_pace
from validation.reference_trainer.case import LEAST_STEPS, TrainingCase
from validation.reference_trainer.devices import synchronize
from validation.reference_trainer.trainer import Trainer

MARGIN = 1.2
"""Steps are planned as if each took so much longer than the slowest of the warm-up."""
COLD = 2
"""Steps of the warm-up that run in any case: the first allocates, the second tells how long others take."""


PROBED = 0.1
"""[s] from one probe to the next, so that its use of caches is no part of most short steps."""


@dataclass(slots=True, kw_only=True)
class Probes:
    """Probes of the machine's speed between steps.

    Attributes:
        pace: [s] that one takes now; None on ranks that do not probe.
        found: [s] of those that were taken.
        last: [s] of the clock when the last one was.
    """

    pace: Callable[[], float] | None
    found: list[float] = field(default_factory=list)
    last: float = 0.0

    def take(self) -> None:
        """One more, if the last one is ``PROBED`` ago."""
        if self.pace is not None and time.monotonic() - self.last >= PROBED:
            self.found.append(self.pace())
            self.last = time.monotonic()


def measure_steps(
    trainer: Trainer, case: TrainingCase, device: torch.device, *, deadline: float, reserve: int
) -> tuple[tuple[float, ...], float]:
    """Seconds of every timed step, of each the slowest rank, and of a probe between them on rank 0, else 0.

    Args:
        trainer: warm or cold.
        case: how many steps.
        device: of this rank.
        deadline: [s] of ``time.monotonic`` at which the case must end.
        reserve: steps that must still fit after the timed ones.

    Raises:
        TrainerError: the budget is too short for ``LEAST_STEPS``.
    """
    gc.collect()
    with collector_paused():
        rest = LEAST_STEPS + reserve
        warm = _until(deadline, trainer.step, device, most=case.warmup, least=COLD, rest=rest)
        slowest, remaining = _agree(max(warm[1:][-2:] or warm), deadline - time.monotonic(), device)
        room = int(remaining / (MARGIN * slowest)) - reserve
        if room < LEAST_STEPS:
            raise TrainerError(
                f"budget {case.budget:.4g} s: {remaining:.3g} s are left after set-up and warm-up, room for "
                f"{max(room, 0)} timed steps of {slowest:.3g} s; expected at least {LEAST_STEPS}"
            )
        most = min(case.steps, room)
        probes = _probes(device)
        steps = _until(
            deadline, trainer.step, device, most=most, least=LEAST_STEPS, rest=reserve, probes=probes
        )
    return _slowest(steps, device), median(probes.found or (0.0,))


def _probes(device: torch.device) -> Probes:
    """Of rank 0 on processors; nobody else changes the speed of a GPU."""
    probing = device.type == "cpu" and not (dist.is_initialized() and dist.get_rank())
    return Probes(pace=find_pace(device.type) if probing else None)


def _until(
    end: float,
    step: Callable[[], torch.Tensor],
    device: torch.device,
    *,
    most: int,
    least: int,
    rest: int,
    probes: Probes | None = None,
) -> list[float]:
    """Seconds of so many steps, of fewer where another one and the rest behind it would not end in time."""
    found: list[float] = []
    while len(found) < most:
        if probes is not None:
            probes.take()
        found.append(_timed(step, device))
        slowest, remaining = _agree(found[-1], end - time.monotonic(), device)
        if len(found) >= least and remaining < MARGIN * slowest * (1 + rest):
            break
    return found


def _timed(step: Callable[[], torch.Tensor], device: torch.device) -> float:
    if dist.is_initialized():
        dist.barrier()
    synchronize(device)
    start = time.perf_counter()
    step()
    synchronize(device)
    return time.perf_counter() - start


def _agree(step: float, remaining: float, device: torch.device) -> tuple[float, float]:
    """The longest step and the shortest remaining time over all ranks, so that all plan alike."""
    values = torch.tensor([step, -remaining], dtype=torch.float64, device=device)
    if dist.is_initialized():
        dist.all_reduce(values, op=dist.ReduceOp.MAX)
    return float(values[0]), -float(values[1])


def _slowest(steps: list[float], device: torch.device) -> tuple[float, ...]:
    values = torch.tensor(steps, dtype=torch.float64, device=device)
    if dist.is_initialized():
        dist.all_reduce(values, op=dist.ReduceOp.MAX)
    return tuple(values.tolist())
