"""Trainer: the part of a rank that carries out steps; one implementation per way of dividing the work."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch

from validation.reference_trainer.network_module import StageModule
from validation.reference_trainer.optimizer import Update

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
        update: of the parameters it holds.
    """

    stages: tuple[StageModule, ...]
    update: Update

    @abstractmethod
    def step(self, observe: Observer = unobserved) -> torch.Tensor:
        """One step over the global batch.

        Returns:
            The mean loss of the samples whose loss this rank computed, 0 where it computed none.
        """
