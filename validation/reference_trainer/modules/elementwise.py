"""Dropout, joins, gates, channels moved about and the end of a residual branch."""

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


class Gate(torch.nn.Module):
    """Maps times one factor a channel."""

    def forward(self, maps: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) and (batch, channels, 1, 1) to the first."""
        return maps * gate


class Scale(torch.nn.Module):
    """Elements times a trained factor for each position of an axis (the batch's not counted)."""

    def __init__(self, factors: int, axis: int, dimensions: int) -> None:
        super().__init__()
        self.shape = tuple(-1 if each == axis else 1 for each in range(dimensions))
        self.factors = torch.nn.Parameter(torch.ones(factors))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape, to the same."""
        return x * self.factors.view(self.shape)


class Half(torch.nn.Module):
    """First or second half of the channels."""

    def __init__(self, part: int) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) to half of the channels."""
        return x.chunk(2, dim=1)[self.part].contiguous()


class Shuffle(torch.nn.Module):
    """Channels of the groups in turn."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) to the same."""
        return x.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2).contiguous()


def build_scaling(layer: Layer, _: Site) -> torch.nn.Module:
    """A gate of two inputs, or trained factors."""
    if layer.attributes["by"] == "gate":
        return Gate()
    return Scale(layer.parameters, int(str(layer.attributes["axis"])), len(layer.output_shape))


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
    "half": lambda layer, _site: Half(int(str(layer.attributes["part"]))),
    "scaling": build_scaling,
    "shuffle": lambda layer, _site: Shuffle(int(str(layer.attributes["groups"]))),
    "residual": build_residual,
}
