"""Maximum and average pooling; a window that covers the map is a plain mean."""

import torch

from validation.reference_trainer.modules.site import Builder, Site, pair_of
from workloads.layer import Layer


class AveragePool(torch.nn.AvgPool2d):
    """Mean of each window."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) to the same with fewer pixels."""
        if x.shape[2:] == self.kernel_size and not any(self.padding):
            return torch.nn.functional.adaptive_avg_pool2d(x, 1)
        return super().forward(x)


def build_pooling(layer: Layer, _: Site) -> torch.nn.Module:
    """The pooling of these windows."""
    kind = torch.nn.MaxPool2d if layer.attributes["operation"] == "maximum" else AveragePool
    return kind(
        pair_of(layer, "kernel"),
        stride=pair_of(layer, "stride"),
        padding=pair_of(layer, "padding"),
        ceil_mode=bool(layer.attributes["ceil"]),
    )


MODULES: dict[str, Builder] = {"pooling": build_pooling}
