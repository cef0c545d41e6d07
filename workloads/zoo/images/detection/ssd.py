"""SSD300 with a ResNet-50: Liu et al. 2015, arXiv:1512.02325, as NVIDIA's PyTorch example builds it.

The backbone ends after the third stage, whose stride is one (38 x 38 maps); five pairs of convolutions go on
to 1 x 1. Six levels with 4, 6, 6, 6, 4, 4 boxes a pixel give 8,732 boxes with 4 offsets and 81 classes each
(``ssd/model.py`` of the example).
"""

from collections.abc import Callable

from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.images.compound import conv_norm_relu
from workloads.layers.images.convolution import convolution
from workloads.layers.images.detection import anchor_loss
from workloads.network import Network
from workloads.zoo.images.convolutional.resnet import Residual, add_stages

SOURCE = "Liu et al. 2015, arXiv:1512.02325, with ResNet-50"
BOXES, CLASSES = (4, 6, 6, 6, 4, 4), 81
EXTRAS = ((256, 512, 2, 1), (256, 512, 2, 1), (128, 256, 2, 1), (128, 256, 1, 0), (128, 256, 1, 0))
"""Inner and output channels, stride and padding of the pairs behind the backbone."""


def build_ssd300(*, image_size: int | None = None) -> Network:
    """SSD300.

    Args:
        image_size: [pixels] height and width; None for 300.

    Raises:
        NetworkError: the image is too small.
    """
    size = 300 if image_size is None else image_size
    draft = Draft((3, size, size))
    levels = [add_stages(draft, Residual(), depths=(3, 4, 6), last_stride=1)[-1]]
    for number, (inner, outputs, stride, padding) in enumerate(EXTRAS, start=1):
        conv_norm_relu(draft, f"extra{number}_1", levels[-1], out_channels=inner, kernel=1)
        options = {"kernel": 3, "stride": stride, "padding": padding}
        levels.append(conv_norm_relu(draft, f"extra{number}_2", out_channels=outputs, **options))
    heads: list[str] = []
    for number, (level, boxes) in enumerate(zip(levels, BOXES, strict=True)):
        for name, values in (("offsets", 4), ("classes", CLASSES)):
            heads.append(
                draft.add(
                    convolution,
                    f"{name}{number}",
                    level,
                    out_channels=boxes * values,
                    kernel=3,
                    padding=1,
                )
            )
    draft.add(anchor_loss, "loss", *heads)
    return build_image_network("ssd300", draft.blocks(), source=SOURCE)


NETWORKS: dict[str, Callable[..., Network]] = {"ssd300": build_ssd300}
ALIASES = {"ssd300-resnet50": "ssd300", "ssd": "ssd300"}
