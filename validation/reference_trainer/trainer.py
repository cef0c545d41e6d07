"""Trainer: the part of a rank that carries out steps; one implementation per way of dividing the work."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch

from validation.reference_trainer.network_module import StageModule

Observer = Callable[[str], None]
"""Called with ``FORWARD`` before and ``SAVED`` after the first forward pass of a step."""

FORWARD = "simdl first forward"
SAVED = "simdl saved"


def unobserved(_: str) -> None:
    """Observe nothing."""


class Trainer(ABC):
    """Steps of one rank.

    Attributes:
        stages: what this rank holds of the network.
        optimizer: over its parameters.
    """

    stages: tuple[StageModule, ...]
    optimizer: torch.optim.Optimizer

    @abstractmethod
    def step(self, observe: Observer = unobserved) -> torch.Tensor:
        """One step over the global batch; returns the rank's sum of losses over microbatches (mean each)."""
