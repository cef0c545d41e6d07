"""One rank from set-up to result: build, measure memory, time steps, time layers."""

import resource
import sys
from dataclasses import dataclass

import torch

from validation.microbenchmarks.host_process import keep_freed_memory, processor_name
from validation.reference_trainer.build import build_trainer
from validation.reference_trainer.case import LayerTime, TrainingCase
from validation.reference_trainer.cut import stage_sizes
from validation.reference_trainer.devices import rank_device, set_up_format, set_up_threads
from validation.reference_trainer.layer_times import STEPS as LAYER_STEPS
from validation.reference_trainer.layer_times import measure_layers
from validation.reference_trainer.tensor_memory import TensorMemory, measure_memory
from validation.reference_trainer.timing import measure_steps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankResult:
    """What one rank measured; fields as in `TrainingMeasurement`."""

    steps: tuple[float, ...]
    pace: float
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
    trainer, memory = measure_memory(lambda: build_trainer(case, rank, device, autocast), device)
    reserve = LAYER_STEPS + 1 if case.layers else 0
    steps, pace = measure_steps(trainer, case, device, deadline=deadline, reserve=reserve)
    layers = measure_layers(trainer, device) if case.layers else ()
    return RankResult(
        steps=steps,
        pace=pace,
        memory=memory,
        resident=resident_peak(),
        layers=layers,
        software=_software(case, device, threads, kept=kept),
    )


def resident_peak() -> float:
    """[bytes] largest resident set of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _software(case: TrainingCase, device: torch.device, threads: int, *, kept: bool) -> dict[str, str]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
    return {
        "torch": torch.__version__,
        "device": name,
        "ranks": str(case.strategy.devices),
        "threads": str(threads),
        "precision": case.workload.precision.name,
        "optimizer": f"{case.workload.optimizer.name} (fused)",
        "attention": case.stack.attention,
        "stages": " ".join(map(str, stage_sizes(case.workload.network, case.strategy))),
        "freed memory": "kept" if kept else "returned",
    }
