"""Fully connected layers of vectors and projections of tokens, with own or tied weights, and a bare bias."""

import torch

from validation.reference_trainer.modules.site import Builder, Site
from workloads.layer import Layer
from workloads.operators import MatmulShape


class FlatLinear(torch.nn.Linear):
    """A fully connected layer over all elements of a sample."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, ...) to (batch, features)."""
        return super().forward(x.flatten(1))


class TiedProjection(torch.nn.Module):
    """A projection by a weight that another layer owns; the network sets ``weight``."""

    weight: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, inputs) to (batch, tokens, outputs)."""
        return torch.nn.functional.linear(x, self.weight)


class Bias(torch.nn.Module):
    """Adds one trained vector."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, features), unchanged in shape."""
        return x + self.bias


def build_linear(layer: Layer, _: Site) -> torch.nn.Module:
    """A fully connected layer; one vector per sample flattens what it reads."""
    if layer.tied:
        return TiedProjection()
    shape = layer.forward[0].shape
    assert isinstance(shape, MatmulShape)  # noqa: S101
    kind = FlatLinear if len(layer.output_shape) == 1 else torch.nn.Linear
    return kind(shape.depth, shape.columns, bias=layer.parameters > shape.depth * shape.columns)


def build_bias(layer: Layer, _: Site) -> torch.nn.Module:
    """The bias of a product that stands apart from it."""
    return Bias(layer.parameters)


MODULES: dict[str, Builder] = {"linear": build_linear, "bias": build_bias}
