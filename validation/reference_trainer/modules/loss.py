"""Cross-entropy over classes or over the vocabulary, the last layer of every network that trains."""

from collections.abc import Sequence

import torch

from validation.reference_trainer.modules.site import Builder

LOSSES = ("loss", "pixel_loss", "regression", "softmax")
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


class PixelLoss(torch.nn.Module):
    """Mean cross-entropy of every pixel plus soft Dice of every class."""

    def forward(self, *sources: torch.Tensor, targets: Sequence[torch.Tensor]) -> torch.Tensor:
        """(batch, classes, ...) with targets (batch, ...), to one number."""
        (source,), (target,) = sources, targets
        logits = source.float().flatten(2)
        shares = logits.softmax(1)
        truth = torch.nn.functional.one_hot(target.flatten(1), logits.shape[1]).transpose(1, 2)
        overlap = 2 * (shares * truth).sum(2) / (shares + truth).sum(2)
        return torch.nn.functional.cross_entropy(logits, target.flatten(1)) + 1 - overlap.mean()


class SquaredError(torch.nn.Module):
    """Mean squared difference from a target in [0, 1)."""

    def forward(self, *sources: torch.Tensor, targets: Sequence[torch.Tensor]) -> torch.Tensor:
        """(batch, numbers) with whole targets (batch,), to one number."""
        (source,), (target,) = sources, targets
        return (source.float() - target[:, None] / source.shape[-1]).square().mean()


MODULES: dict[str, Builder] = {
    "loss": lambda _layer, _site: CrossEntropy(),
    "pixel_loss": lambda _layer, _site: PixelLoss(),
    "regression": lambda _layer, _site: SquaredError(),
    "softmax": lambda _layer, _site: CrossEntropy(),
}
