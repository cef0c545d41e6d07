"""Builds the trainer of one rank: the part of the network it holds, on its device, with its data."""

from collections.abc import Callable

import torch
import torch.distributed as dist

from simdl.pipelines import pipeline_order
from simdl.pipelines.passes import Pass
from validation.reference_trainer.case import TrainingCase
from validation.reference_trainer.cut import boundary_shapes, stage_sizes
from validation.reference_trainer.data import Batch, synthetic_batch
from validation.reference_trainer.devices import Autocast
from validation.reference_trainer.network_module import StageModule
from validation.reference_trainer.pipeline import PipelineTrainer
from validation.reference_trainer.replica import ReplicaTrainer, data_parallel, fully_sharded
from validation.reference_trainer.trainer import Trainer

DATA_SEED = 7


def build_trainer(case: TrainingCase, rank: int, device: torch.device, autocast: Autocast) -> Trainer:
    """The trainer of a rank.

    Raises:
        TrainerError: the network cannot be trained.
    """
    if case.strategy.pp > 1:
        return _pipeline(case, rank, device, autocast)
    return _replica(case, rank, device, autocast)


def _replica(case: TrainingCase, rank: int, device: torch.device, autocast: Autocast) -> Trainer:
    workload, strategy = case.workload, case.strategy
    stage = StageModule(workload.network, attention=case.stack.attention).to(device)
    share = workload.global_batch // strategy.dp
    return ReplicaTrainer(
        stage,
        _microbatches(case, rank * share, (rank + 1) * share, device),
        optimizer=workload.optimizer.name,
        autocast=autocast,
        wrap=_wrapper(case),
    )


def _wrapper(case: TrainingCase) -> Callable[[StageModule], torch.nn.Module]:
    if case.strategy.dp == 1:
        return lambda stage: stage
    return fully_sharded if case.strategy.zero == 3 else data_parallel(case.stack.bucket)


def _pipeline(case: TrainingCase, rank: int, device: torch.device, autocast: Autocast) -> Trainer:
    workload, strategy = case.workload, case.strategy
    network, ranks = workload.network, strategy.pp
    cut = stage_sizes(network, strategy)
    bf16 = workload.precision.name == "bf16"
    orders = pipeline_order(
        strategy.schedule, ranks, strategy.microbatches(workload.global_batch), strategy.virtual_stages
    )
    return PipelineTrainer(
        {number: _stage(case, cut, number).to(device) for number in range(rank, len(cut), ranks)},
        _microbatches(case, 0, workload.global_batch, device),
        [entry for entry in orders[rank] if isinstance(entry, Pass)],
        boundary_shapes(network, cut, strategy.micro_batch),
        ranks=ranks,
        optimizer=workload.optimizer.name,
        autocast=autocast,
        dtype=torch.bfloat16 if bf16 else torch.float32,
        sharing=dist.new_group([0, ranks - 1]) if ranks > 2 else None,
    )


def _stage(case: TrainingCase, cut: tuple[int, ...], number: int) -> StageModule:
    first = sum(cut[:number])
    network, attention = case.workload.network, case.stack.attention
    return StageModule(network, attention=attention, first=first, last=first + cut[number])


def _microbatches(case: TrainingCase, first: int, last: int, device: torch.device) -> list[Batch]:
    """Samples of the global batch from ``first`` up to ``last`` (exclusive), cut into microbatches."""
    workload, size = case.workload, case.strategy.micro_batch
    whole = synthetic_batch(workload.network, workload.global_batch, seed=DATA_SEED)
    own = whole.part(first, last).to(device)
    return [own.part(place, place + size) for place in range(0, last - first, size)]
