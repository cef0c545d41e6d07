"""Steps of one pipeline rank, in the very order that the simulator runs (`simdl.pipelines`).

A forward pass hands its output to the next stage, a backward pass the gradient of its input to the stage
before. The gradients of a weight that two stages hold (a tied embedding) are added up before the update, so
that both copies stay equal.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.distributed as dist

from simdl.pipelines.passes import Pass, PassKind
from validation.reference_trainer.data import Batch
from validation.reference_trainer.devices import Autocast
from validation.reference_trainer.network_module import StageModule
from validation.reference_trainer.optimizer import Update
from validation.reference_trainer.trainer import FORWARD, SAVED, Observer, Trainer, unobserved
from validation.reference_trainer.transfers import Message, Transfers

Live = dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]]
"""Input and output of passes in flight, by microbatch and stage."""


class PipelineTrainer(Trainer):
    """A rank that runs some stages of the network."""

    def __init__(
        self,
        stages: Mapping[int, StageModule],
        microbatches: Sequence[Batch],
        order: Sequence[Pass],
        shapes: Sequence[tuple[int, ...]],
        *,
        ranks: int,
        optimizer: str,
        autocast: Autocast,
        dtype: torch.dtype,
        sharing: dist.ProcessGroup | None = None,
    ) -> None:
        """Take the stages of a rank on their device.

        Args:
            stages: of this rank, by virtual stage.
            microbatches: of the whole batch, in order.
            order: passes of this rank.
            shapes: output of every stage but the last, batch included.
            ranks: of the pipeline.
            optimizer: registered name.
            autocast: context of forward passes.
            dtype: of what is sent between stages.
            sharing: first and last rank, which hold a tied weight; None for all ranks.
        """
        self.stages = tuple(stages.values())
        self._by_number = dict(stages)
        self._microbatches = tuple(microbatches)
        self._order = order
        self._last = len(shapes)
        self._shapes = tuple(shapes)
        self._ranks = ranks
        self._autocast = autocast
        self._dtype = dtype
        self._sharing = sharing
        self._device = microbatches[0].inputs.device
        self._expected = tuple(self._messages())
        self.update = Update(optimizer, (p for stage in self.stages for p in stage.parameters()))

    def step(self, observe: Observer = unobserved) -> torch.Tensor:
        """All passes in order, then the update."""
        self.update.clear()
        total = torch.zeros((), device=self._device)
        live: Live = {}
        transfers = Transfers(
            self._expected,
            stages=self._last + 1,
            ranks=self._ranks,
            dtype=self._dtype,
            device=self._device,
        )
        observe(FORWARD)
        for index, one in enumerate(self._order):
            if one.kind.sends_back:
                self._backward(one, live, transfers)
                continue
            loss = self._forward(one, live, transfers)
            if one.stage == self._last:
                total += loss.detach()
            if index == 0:
                observe(SAVED)
        transfers.finish()
        self._add_shared_gradients()
        self.update.run()
        return total

    def _messages(self) -> Iterator[Message]:
        for kind, microbatch, stage in self._order:
            if kind.needs_previous and stage > 0:
                yield Message(Pass(PassKind.FORWARD, microbatch, stage - 1), self._shapes[stage - 1])
            elif kind.needs_next and stage < self._last:
                yield Message(Pass(PassKind.BACKWARD, microbatch, stage + 1), self._shapes[stage])

    def _forward(self, one: Pass, live: Live, transfers: Transfers) -> torch.Tensor:
        _, microbatch, stage = one
        batch, last = self._microbatches[microbatch], stage == self._last
        source = transfers.receive().requires_grad_() if stage else batch.inputs
        with self._autocast():
            output = self._by_number[stage](source, batch.targets if last else ())
            if last:
                output = output / len(self._microbatches)
        live[microbatch, stage] = (source, output)
        if not last:
            transfers.send(output, one, stage + 1)
        return output

    def _backward(self, one: Pass, live: Live, transfers: Transfers) -> None:
        _, microbatch, stage = one
        source, output = live.pop((microbatch, stage))
        gradient = None if stage == self._last else transfers.receive().to(output.dtype)
        torch.autograd.backward(output, gradient)
        if stage:
            assert source.grad is not None  # noqa: S101 (every stage computes with its input)
            transfers.send(source.grad, one, stage - 1)

    def _add_shared_gradients(self) -> None:
        """Sum the gradients of a weight over the ranks that hold it, which are the first and the last."""
        for stage in self.stages:
            for name in sorted(stage.tables):
                gradient = stage.tables[name].grad
                assert gradient is not None  # noqa: S101
                dist.all_reduce(gradient, group=self._sharing)
