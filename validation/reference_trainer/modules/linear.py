"""Fully connected layers of vectors and projections of tokens, with own or tied weights, and a bare bias."""

from math import prod

import torch

from validation.reference_trainer.modules.site import Builder, Site, pair_of
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


class TensorTrain(torch.nn.Module):
    """A matrix as a train of cores, multiplied core by core (Novikov et al. 2015, section 4.1)."""

    def __init__(
        self, inputs: tuple[int, ...], outputs: tuple[int, ...], ranks: tuple[int, ...], *, bias: bool
    ) -> None:
        super().__init__()
        pairs = zip(inputs, outputs, ranks[:-1], ranks[1:], strict=True)
        self.inputs, self.ranks = inputs, ranks
        self.cores = torch.nn.ParameterList(
            torch.randn(before * n, m * after) / (before * n) ** 0.5 for n, m, before, after in pairs
        )
        self.bias = torch.nn.Parameter(torch.zeros(prod(outputs))) if bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, ...) with the inputs last or flattened to the outputs."""
        whole = prod(self.inputs)
        flat = x if x.shape[-1] == whole else x.flatten(1)
        rest, done = whole, 1
        state = flat.reshape(-1, 1, 1, whole)  # (rows, outputs so far, rank, inputs left)
        for n, core, after in zip(self.inputs, self.cores, self.ranks[1:], strict=True):
            rest //= n
            rows = state.reshape(-1, done, core.shape[0], rest).transpose(2, 3) @ core
            m = core.shape[1] // after
            state = rows.reshape(-1, done, rest, m, after).permute(0, 1, 3, 4, 2)
            done *= m
            state = state.reshape(-1, done, after, rest)
        result = state.reshape(*flat.shape[:-1], done)
        return result if self.bias is None else result + self.bias


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


def build_tensor_train(layer: Layer, _: Site) -> torch.nn.Module:
    """A train of the cores that the layer multiplies by."""
    inputs, outputs, ranks = (pair_of(layer, name) for name in ("inputs", "outputs", "ranks"))
    return TensorTrain(inputs, outputs, ranks, bias=layer.parameters > layer.product_weights)


def build_bias(layer: Layer, _: Site) -> torch.nn.Module:
    """The bias of a product that stands apart from it."""
    return Bias(layer.parameters)


MODULES: dict[str, Builder] = {"linear": build_linear, "bias": build_bias, "tensor_train": build_tensor_train}
