"""Activations and their gradients on their way between pipeline stages.

Sending never waits: the tensor is kept until the end of the step. Receiving is posted one message ahead of
the pass that needs it, so that the transfer runs beside computation.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist

from simdl.pipelines.passes import Pass


@dataclass(frozen=True, slots=True)
class Message:
    """The result of a pass of another rank: an activation of ``F``, or a gradient of ``B``.

    Attributes:
        action: the pass that makes it.
        shape: of the tensor, batch included.
    """

    made_by: Pass
    shape: tuple[int, ...]


class Transfers:
    """Messages of one rank in one step."""

    def __init__(
        self,
        expected: Sequence[Message],
        *,
        stages: int,
        ranks: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """Post the first receive.

        Args:
            expected: what arrives, in the order in which this rank needs it.
            stages: virtual stages of the pipeline.
            ranks: of the pipeline; stage s is on rank s mod ranks.
            dtype: of everything sent.
            device: of this rank.
        """
        self._waiting = deque(expected)
        self._posted: deque[tuple[dist.Work, torch.Tensor]] = deque()
        self._sent: list[tuple[dist.Work, torch.Tensor]] = []
        self._stages, self._ranks = stages, ranks
        self._dtype, self._device = dtype, device
        self._post()

    def receive(self) -> torch.Tensor:
        """The next expected message; posts the one after it."""
        self._post()
        work, tensor = self._posted.popleft()
        work.wait()
        return tensor

    def send(self, tensor: torch.Tensor, made_by: Pass, stage: int) -> None:
        """Send the result of a pass to the rank of another stage."""
        whole = tensor.detach().to(self._dtype).contiguous()
        work = dist.isend(whole, stage % self._ranks, tag=self._tag(made_by))
        self._sent.append((work, whole))

    def finish(self) -> None:
        """Wait until everything sent has left."""
        for work, _ in self._sent:
            work.wait()
        self._sent.clear()

    def _post(self) -> None:
        if self._waiting:
            message = self._waiting.popleft()
            tensor = torch.empty(message.shape, dtype=self._dtype, device=self._device)
            source = message.made_by.stage % self._ranks
            self._posted.append((dist.irecv(tensor, source, tag=self._tag(message.made_by)), tensor))

    def _tag(self, made_by: Pass) -> int:
        return 2 * (made_by.microbatch * self._stages + made_by.stage) + made_by.kind.sends_back
