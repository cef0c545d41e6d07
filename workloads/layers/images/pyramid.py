"""Feature pyramid: Lin et al. 2017, arXiv:1612.03144, section 3.

From the coarsest stage down, each level is a 1 x 1 convolution of its stage plus the level above at twice the
size, smoothed by a 3 x 3 convolution. Detectors run one head over all levels: its layers on levels after the
first have no parameters of their own (`share_parameters`), but a gradient each, which is added up.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from workloads.layer import Layer
from workloads.layers.drafts.draft import Draft
from workloads.layers.elementwise import addition
from workloads.layers.images.convolution import convolution
from workloads.layers.images.segmentation import upsample
from workloads.tensors import Tensor

WIDTH = 256
"""Channels of every level."""


def feature_pyramid(draft: Draft, stages: Sequence[str], *, first: int) -> list[str]:
    """Adds a pyramid over stages, fine to coarse; returns the names of its levels in that order.

    Args:
        draft: to add to.
        stages: names of the stages' outputs, each half the size of the one before.
        first: number of the finest level (2 for a quarter of the image).

    Raises:
        NetworkError: a stage is not half the size of the one before.
    """
    levels: list[str] = []
    above = ""
    for number, stage in reversed(list(enumerate(stages, start=first))):
        inner = draft.add(convolution, f"lateral{number}", stage, out_channels=WIDTH, kernel=1)
        if above:
            larger = draft.add(upsample, f"larger{number}", above)
            inner = draft.add(addition, f"merged{number}", inner, larger)
        above = inner
        levels.append(draft.add(convolution, f"p{number}", inner, out_channels=WIDTH, kernel=3, padding=1))
    return levels[::-1]


def share_parameters(builder: Callable[..., Layer], owner: str) -> Callable[..., Layer]:
    """A builder whose layers use the parameters of an earlier one."""

    # Options are the builder's own.
    def build(name: str, *sources: Tensor, **options: Any) -> Layer:  # noqa: ANN401
        layer = builder(name, *sources, **options)
        if not layer.parameters:
            return layer
        return replace(layer, parameters=0, attributes={**layer.attributes, "shared": owner})

    return build


def over_levels(
    draft: Draft,
    levels: Sequence[str],
    name: str,
    builder: Callable[..., Layer],
    **options: Any,  # noqa: ANN401
) -> list[str]:
    """Adds one layer on every level, with parameters on the first alone; returns the outputs' names."""
    outputs = []
    for number, level in enumerate(levels):
        build = share_parameters(builder, f"{name}_0") if number else builder
        outputs.append(draft.add(build, f"{name}_{number}", level, **options))
    return outputs
