"""Maximum and average pooling; a window that covers the map is a plain mean."""

import torch

from validation.reference_trainer.modules.site import Builder, Site, pair_of
from workloads.layer import Layer


class GlobalMean(torch.nn.Module):
    """Mean of each map or volume."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, ...) to the same with one pixel."""
        return x.mean(tuple(range(2, x.ndim)), keepdim=True)


def build_pooling(layer: Layer, _: Site) -> torch.nn.Module:
    """The pooling of these windows."""
    maps, largest = len(layer.output_shape) == 3, layer.attributes["operation"] == "maximum"
    if not largest and layer.attributes.get("whole"):
        return GlobalMean()
    if largest:
        kind = torch.nn.MaxPool2d if maps else torch.nn.MaxPool3d
    else:
        kind = torch.nn.AvgPool2d if maps else torch.nn.AvgPool3d
    return kind(
        pair_of(layer, "kernel"),
        stride=pair_of(layer, "stride"),
        padding=pair_of(layer, "padding"),
        ceil_mode=bool(layer.attributes["ceil"]),
    )


MODULES: dict[str, Builder] = {"pooling": build_pooling}
