"""Cross-entropy over classes or over the vocabulary, the last layer of every network that trains."""

from collections.abc import Sequence

import torch

from validation.reference_trainer.modules.site import Builder

LOSSES = ("loss", "softmax")
"""Kinds of layers that end a network and read targets."""


class CrossEntropy(torch.nn.Module):
    """Mean cross-entropy of each source's last axis, added up over the sources."""

    def forward(self, *sources: torch.Tensor, targets: Sequence[torch.Tensor]) -> torch.Tensor:
        """(batch, ..., classes) each with targets (batch, ...), to one number."""
        losses = [
            torch.nn.functional.cross_entropy(source.float().flatten(0, -2), target.flatten())
            for source, target in zip(sources, targets, strict=True)
        ]
        return sum(losses[1:], losses[0])


MODULES: dict[str, Builder] = {kind: lambda _layer, _site: CrossEntropy() for kind in LOSSES}
