"""Activation functions of maps (in place where nobody needs the input) and of feed-forward networks."""

from collections.abc import Callable

import torch

from validation.errors import TrainerError
from validation.reference_trainer.modules.site import Builder, Site
from workloads.layer import Layer

functional = torch.nn.functional
FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "hardsigmoid": functional.hardsigmoid,
    "hardswish": functional.hardswish,
    "leaky_relu": functional.leaky_relu,
    "relu6": functional.relu6,
    "gelu": lambda x: functional.gelu(x, approximate="tanh"),
    "relu": functional.relu,
    "relu2": lambda x: functional.relu(x).square(),
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "tanh": torch.tanh,
}
IN_PLACE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": torch.relu_,
    "sigmoid": torch.sigmoid_,
    "tanh": torch.tanh_,
}
"""Functions whose gradient needs the output alone."""


class Activation(torch.nn.Module):
    """f(x + b), or f(g + b) * (u + c) on the halves of x; ``features`` of bias, 0 for none."""

    def __init__(
        self, function: Callable[[torch.Tensor], torch.Tensor], *, features: int, gated: bool
    ) -> None:
        super().__init__()
        self.function = function
        self.gated = gated
        self.bias = torch.nn.Parameter(torch.zeros(features)) if features else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape whose last axis is the features."""
        if self.bias is not None:
            x = x + self.bias
        if not self.gated:
            return self.function(x)
        gate, linear = x.chunk(2, dim=-1)
        return self.function(gate) * linear


def build_activation(layer: Layer, site: Site) -> torch.nn.Module:
    """The function, with the bias of the projection before where the layer holds one."""
    function, gated = str(layer.attributes["function"]), bool(layer.attributes.get("gated"))
    in_place = site.in_place and function in IN_PLACE and not layer.parameters and not gated
    table = IN_PLACE if in_place else FUNCTIONS
    if function not in table:
        raise TrainerError(f"activation {function}: no torch module; expected one of {', '.join(FUNCTIONS)}")
    return Activation(table[function], features=layer.parameters, gated=gated)


MODULES: dict[str, Builder] = {"activation": build_activation}
