"""One rank from set-up to result: build, measure memory, time steps, time layers."""

import platform
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch

from validation.host_process import keep_freed_memory
from validation.reference_trainer.case import LayerTime, TrainingCase
from validation.reference_trainer.data import Batch, synthetic_batch
from validation.reference_trainer.devices import Autocast, rank_device, set_up_format, set_up_threads
from validation.reference_trainer.layer_times import STEPS as LAYER_STEPS
from validation.reference_trainer.layer_times import measure_layers
from validation.reference_trainer.network_module import StageModule
from validation.reference_trainer.replica import ReplicaTrainer, data_parallel, fully_sharded
from validation.reference_trainer.tensor_memory import TensorMemory, measure_memory
from validation.reference_trainer.timing import measure_steps
from validation.reference_trainer.trainer import Trainer

DATA_SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankResult:
    """What one rank measured; fields as in `TrainingMeasurement`."""

    steps: tuple[float, ...]
    memory: TensorMemory
    resident: float
    layers: tuple[LayerTime, ...]
    software: dict[str, str]


def run_rank(case: TrainingCase, rank: int, deadline: float) -> RankResult:
    """Run a case as one of its ranks; the process group, if any, is there.

    Raises:
        TrainerError: the device, the format or the budget does not allow it.
    """
    kept = keep_freed_memory()
    threads = set_up_threads(case.strategy.devices)
    device = rank_device(case, rank)
    autocast = set_up_format(case.workload.precision.name, device)
    trainer, memory = measure_memory(build_trainer(case, rank, device, autocast), device)
    reserve = LAYER_STEPS + 1 if case.layers else 0
    steps = measure_steps(trainer, case, device, deadline=deadline, reserve=reserve)
    layers = measure_layers(trainer, device) if case.layers else ()
    return RankResult(
        steps=steps,
        memory=memory,
        resident=resident_peak(),
        layers=layers,
        software=_software(case, device, threads, kept=kept),
    )


def build_trainer(
    case: TrainingCase, rank: int, device: torch.device, autocast: Autocast
) -> Callable[[], Trainer]:
    """Builds this rank's trainer with its data when called."""
    return lambda: _replica(case, rank, device, autocast)


def _replica(case: TrainingCase, rank: int, device: torch.device, autocast: Autocast) -> Trainer:
    workload, strategy = case.workload, case.strategy
    stage = StageModule(workload.network, attention=case.stack.attention).to(device)
    wrap: Callable[[StageModule], torch.nn.Module] = _same
    if strategy.dp > 1:
        wrap = fully_sharded if strategy.zero == 3 else data_parallel(case.stack.bucket)
    share = workload.global_batch // strategy.dp
    whole = synthetic_batch(workload.network, workload.global_batch, seed=DATA_SEED)
    own = whole.part(rank * share, (rank + 1) * share).to(device)
    return ReplicaTrainer(
        stage,
        microbatches(own, strategy.micro_batch, share),
        optimizer=workload.optimizer.name,
        autocast=autocast,
        wrap=wrap,
    )


def microbatches(batch: Batch, size: int, samples: int) -> list[Batch]:
    """The batch cut into microbatches."""
    return [batch.part(first, first + size) for first in range(0, samples, size)]


def _same(stage: StageModule) -> torch.nn.Module:
    return stage


def resident_peak() -> float:
    """[bytes] largest resident set of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _software(case: TrainingCase, device: torch.device, threads: int, *, kept: bool) -> dict[str, str]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    return {
        "torch": torch.__version__,
        "device": name or platform.machine(),
        "ranks": str(case.strategy.devices),
        "threads": str(threads),
        "precision": case.workload.precision.name,
        "optimizer": f"{case.workload.optimizer.name} (fused)",
        "attention": case.stack.attention,
        "freed memory": "kept" if kept else "returned",
    }
