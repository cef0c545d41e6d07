"""Steps of one replica: a single process, data parallelism (DDP) or fully sharded data parallelism (FSDP).

DDP sums buckets of gradients beside the backward pass of the last microbatch (Li et al. 2020,
arXiv:2006.15704); gradients are views of the buckets, so nothing is copied twice, and the statistics of batch
normalisation stay with their rank. FSDP gathers the parameters of a block where it is used and scatters its
gradients in every microbatch (Zhao et al. 2023, arXiv:2304.11277).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from validation.reference_trainer.data import Batch
from validation.reference_trainer.devices import Autocast
from validation.reference_trainer.network_module import StageModule
from validation.reference_trainer.optimizer import Update
from validation.reference_trainer.trainer import FORWARD, SAVED, Observer, Trainer, unobserved

MEBI = 2**20


class ReplicaTrainer(Trainer):
    """A rank that runs the whole network on its share of the batch."""

    def __init__(
        self,
        stage: StageModule,
        microbatches: Sequence[Batch],
        *,
        optimizer: str,
        autocast: Autocast,
        wrap: Callable[[StageModule], torch.nn.Module] = lambda stage: stage,
    ) -> None:
        """Wrap the network for its ranks and build its optimizer.

        Args:
            stage: the whole network on its device.
            microbatches: this rank's share of every step, in order.
            optimizer: registered name.
            autocast: context of forward passes.
            wrap: how ranks share the network.
        """
        self.stages = (stage,)
        self._model = wrap(stage)
        self._microbatches = tuple(microbatches)
        self._autocast = autocast
        self.update = Update(optimizer, self._model.parameters())

    def step(self, observe: Observer = unobserved) -> torch.Tensor:
        """Forward and backward over the microbatches, then the update."""
        self.update.clear()
        count, total = len(self._microbatches), torch.zeros((), device=self._microbatches[0].inputs.device)
        observe(FORWARD)
        for index, batch in enumerate(self._microbatches):
            with self._waiting(last=index == count - 1):
                with self._autocast():
                    loss = self._model(batch.inputs, batch.targets) / count
                if index == 0:
                    observe(SAVED)
                loss.backward()
            total += loss.detach()
        self.update.run()
        return total

    def _waiting(self, *, last: bool) -> AbstractContextManager[None]:
        """DDP reduces gradients in the last microbatch only."""
        if last or not isinstance(self._model, DistributedDataParallel):
            return nullcontext()
        waiting: AbstractContextManager[None] = self._model.no_sync()
        return waiting


def data_parallel(bucket: float) -> Callable[[StageModule], torch.nn.Module]:
    """Wraps the network in DDP with buckets of so many bytes."""

    def wrap(stage: StageModule) -> torch.nn.Module:
        return DistributedDataParallel(
            stage, bucket_cap_mb=bucket / MEBI, broadcast_buffers=False, gradient_as_bucket_view=True
        )

    return wrap


def fully_sharded(stage: StageModule) -> torch.nn.Module:
    """Shards every block; blocks that share a weight must stay together and form one group."""
    shared = {id(weight) for weight in stage.tables.values()}
    for block in stage.blocks:
        own = list(block.parameters())
        if own and not shared.intersection(map(id, own)):
            fully_shard(block)
    return fully_shard(stage)
