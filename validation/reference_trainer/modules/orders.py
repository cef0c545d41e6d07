"""Tokens and pixels in another order: maps to tokens and back, windows, neighbours, a trained token first."""

from collections.abc import Callable
from math import isqrt

import torch

from validation.errors import TrainerError
from validation.reference_trainer.modules.heads import Heads
from validation.reference_trainer.modules.site import Builder, Site, count_of, pair_of
from workloads.layer import Layer


class Order(torch.nn.Module):
    """A function of one tensor without parameters."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the function makes of (batch, ...)."""
        return self.function(x)


class ClassToken(torch.nn.Module):
    """One trained token before the pixels of maps."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.token = torch.nn.Parameter(torch.zeros(1, 1, features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, features, height, width) to (batch, height x width + 1, features)."""
        pixels = x.flatten(2).transpose(1, 2)
        return torch.cat((self.token.expand(len(x), -1, -1), pixels), dim=1)


class WindowAttention(torch.nn.Module):
    """Attention inside a window with a trained bias by relative position."""

    def __init__(self, window: int, heads: int) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        sides = torch.arange(window)
        rows, columns = (grid.flatten() for grid in torch.meshgrid(sides, sides, indexing="ij"))
        span = 2 * window - 1
        index = (rows[:, None] - rows + window - 1) * span + columns[:, None] - columns + window - 1
        self.register_buffer("index", index, persistent=False)

    def forward(self, heads: Heads) -> torch.Tensor:
        """Heads of all windows, a batch axis of (samples x windows), to their outputs."""
        bias = self.table[self.index].permute(2, 0, 1)
        scores = torch.matmul(heads.query, heads.key.transpose(-2, -1)).mul_(heads.query.shape[-1] ** -0.5)
        return torch.matmul((scores + bias).softmax(-1), heads.value)


def build_order(layer: Layer) -> torch.nn.Module:
    """The order that the layer names."""
    match layer.attributes["operation"]:
        case "tokens":
            return Order(lambda x: x.flatten(2).transpose(1, 2).contiguous())
        case "maps":
            extents = pair_of(layer, "extents")
            return Order(lambda x: x.transpose(1, 2).unflatten(2, extents))
        case "transpose":
            return Order(lambda x: x.transpose(1, 2).contiguous())
        case "neighbours":
            return Order(_neighbours)
        case operation if "window" not in layer.attributes:
            found = f"kind {layer.kind!r} with {operation!r}"
            raise TrainerError(f"layer {layer.name}: no torch module for {found}")
        case operation:
            return Order(_windows(count_of(layer, "window"), count_of(layer, "tokens"), str(operation)))


def _side(tokens: int) -> int:
    return isqrt(tokens)


def _neighbours(x: torch.Tensor) -> torch.Tensor:
    """(batch, tokens, features) to a quarter of the tokens with four times the features."""
    side = _side(x.shape[1]) // 2
    return x.reshape(-1, side, 2, side, 2, x.shape[2]).permute(0, 1, 3, 2, 4, 5).flatten(3).flatten(1, 2)


def _windows(window: int, tokens: int, operation: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Tokens of each window as a sample of their own, or back."""
    count = _side(tokens) // window

    def part(x: torch.Tensor) -> torch.Tensor:
        tiles = x.reshape(-1, count, window, count, window, x.shape[-1]).transpose(2, 3)
        return tiles.reshape(-1, window * window, x.shape[-1])

    def join(x: torch.Tensor) -> torch.Tensor:
        tiles = x.reshape(-1, count, count, window, window, x.shape[-1]).transpose(2, 3)
        return tiles.reshape(-1, tokens, x.shape[-1])

    return part if operation == "window" else join


def build_window_attention(layer: Layer, _: Site) -> torch.nn.Module:
    """Attention of windows of this many tokens on a side."""
    return WindowAttention(count_of(layer, "window"), count_of(layer, "heads"))


MODULES: dict[str, Builder] = {
    "class_token": lambda layer, _site: ClassToken(layer.parameters),
    "mean": lambda _layer, _site: Order(lambda x: x.mean(1)),
    "window_attention": build_window_attention,
}
