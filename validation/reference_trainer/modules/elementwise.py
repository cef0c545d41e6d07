"""Dropout, joins and the end of a residual branch."""

import torch

from validation.reference_trainer.modules.site import Builder, Site, rate_of
from workloads.layer import Layer


class Addition(torch.nn.Module):
    """Sum of equal tensors."""

    def forward(self, first: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        """Equal shapes to one of them."""
        for other in others:
            first = first + other
        return first


class Concatenation(torch.nn.Module):
    """Channels of all sources behind one another."""

    def forward(self, *sources: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) each."""
        return torch.cat(sources, dim=1)


class Residual(torch.nn.Module):
    """R + dropout(X + b); ``features`` of bias, 0 for none."""

    def __init__(self, *, features: int, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.bias = torch.nn.Parameter(torch.zeros(features)) if features else None

    def forward(self, branch: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, features) twice, to the same."""
        if self.bias is not None:
            branch = branch + self.bias
        if self.rate:
            branch = torch.nn.functional.dropout(branch, self.rate, self.training)
        return residual + branch


def build_residual(layer: Layer, _: Site) -> torch.nn.Module:
    """The end of a transformer branch."""
    return Residual(features=layer.parameters, rate=rate_of(layer))


def build_dropout(layer: Layer, _: Site) -> torch.nn.Module:
    """Dropout at the layer's rate."""
    return torch.nn.Dropout(rate_of(layer))


MODULES: dict[str, Builder] = {
    "addition": lambda _layer, _site: Addition(),
    "concatenation": lambda _layer, _site: Concatenation(),
    "dropout": build_dropout,
    "residual": build_residual,
}
