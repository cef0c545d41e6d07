"""RetinaNet: Lin et al. 2017, arXiv:1708.02002, section 4, with a pyramid from an eighth of the image on.

``retinanet`` is MLPerf's object detection (ResNeXt-50 32x4d, 264 classes of Open Images, 800 x 800 pixels);
``retinanet-resnet50`` torchvision's ``retinanet_resnet50_fpn`` (91 classes of COCO). Both normalise by frozen
statistics and keep stem and first stage frozen.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from workloads.layers.activation import relu
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.drafts.gradient_flow import freeze_layers
from workloads.layers.images.convolution import convolution
from workloads.layers.images.detection import anchor_loss
from workloads.layers.images.pyramid import WIDTH, feature_pyramid, over_levels
from workloads.network import Network
from workloads.zoo.images.convolutional.resnet import FROZEN, Residual, add_stages

SOURCE = "Lin et al. 2017, arXiv:1708.02002, section 4"
DEPTHS, ANCHORS, TOWER = (3, 4, 6, 3), 9, 4
RESNEXT = Residual(groups=32, base_width=4, frozen=True)


def build_retinanet(name: str, *, residual: Residual, classes: int, image_size: int | None = None) -> Network:
    """A RetinaNet.

    Args:
        name: registered name.
        residual: blocks of the backbone.
        classes: of an anchor.
        image_size: [pixels] height and width, a multiple of 128; None for 800.

    Raises:
        NetworkError: levels are not half the size of the level before.
    """
    size = 800 if image_size is None else image_size
    draft = Draft((3, size, size))
    stages = add_stages(draft, residual, depths=DEPTHS)
    levels = feature_pyramid(draft, stages[1:], first=3)
    for number in (6, 7):
        source = levels[-1] if number == 6 else draft.add(relu, "p6_relu", levels[-1])
        levels.append(
            draft.add(convolution, f"p{number}", source, out_channels=WIDTH, kernel=3, stride=2, padding=1)
        )
    heads = [
        output
        for head, values in (("classes", classes), ("offsets", 4))
        for output in _head(draft, levels, head, values)
    ]
    draft.add(anchor_loss, "loss", *heads)
    return build_image_network(name, freeze_layers(draft.blocks(), FROZEN), source=SOURCE)


def _head(draft: Draft, levels: list[str], head: str, values: int) -> list[str]:
    """Four convolutions and the outputs of every anchor, on all levels."""
    options = {"kernel": 3, "padding": 1}
    for index in range(1, TOWER + 1):
        name = f"{head}{index}"
        levels = over_levels(draft, levels, name, convolution, out_channels=WIDTH, **options)
        levels = over_levels(draft, levels, f"{name}_relu", relu)
    return over_levels(draft, levels, head, convolution, out_channels=ANCHORS * values, **options)


NETWORKS: dict[str, Callable[..., Network]] = {
    "retinanet": partial(build_retinanet, "retinanet", residual=RESNEXT, classes=264),
    "retinanet-resnet50": partial(
        build_retinanet,
        "retinanet-resnet50",
        residual=replace(RESNEXT, groups=1, base_width=64),
        classes=91,
    ),
}
ALIASES = {
    "retinanet_resnet50_fpn": "retinanet-resnet50",
    "retinanet-resnext50-32x4d-fpn": "retinanet",
}
