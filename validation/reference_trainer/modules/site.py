"""What a module is told beside its own layer, and how builders read attributes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workloads.layer import Layer

Builder = Callable[[Layer, "Site"], Any]
"""From a layer and its site to a ``torch.nn.Module``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a layer stands and how the stack runs it.

    Attributes:
        attention: ``Stack.attention``: ``unfused`` writes the score matrix, the others run one kernel.
        in_place: the layer alone reads its input, and nobody needs that tensor again.
    """

    attention: str
    in_place: bool = False


def pair_of(layer: Layer, name: str) -> tuple[int, ...]:
    """An attribute of one number for each axis, (height, width) or (depth, height, width)."""
    value = layer.attributes[name]
    assert isinstance(value, tuple)  # noqa: S101 (our own builders)
    return value


def count_of(layer: Layer, name: str) -> int:
    """An attribute that is a whole number."""
    value = layer.attributes[name]
    assert isinstance(value, int)  # noqa: S101
    return value


def rate_of(layer: Layer) -> float:
    """The dropout rate of a layer."""
    value = layer.attributes["rate"]
    assert isinstance(value, int | float)  # noqa: S101
    return float(value)
