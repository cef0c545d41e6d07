"""Mask R-CNN with ResNet-50 and feature pyramid: He et al. 2017, arXiv:1703.06870, section 3.1, figure 4.

Proposals from five levels (3 anchors a pixel), 512 regions an image through two linear layers to classes and
boxes, 128 of them through four convolutions and a transposed one to masks of 28 x 28: the numbers of the
configurations that NVIDIA's examples train (``BATCH_SIZE_PER_IMAGE`` 512, a quarter positive; the masks of
fewer positive regions cost less). Normalisation is frozen; stem and first stage take no gradient.

``mask-rcnn`` is the PyTorch example (81 classes, images padded to 800 x 1344: the largest of a batch), with
the stride in the 1 x 1 convolution; ``mask-rcnn-tf2`` the TensorFlow 2 example (91 classes, 832 x 1344); and
``mask-rcnn-torchvision`` ``maskrcnn_resnet50_fpn`` of torchvision.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from workloads.layers.activation import activation, relu
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.drafts.gradient_flow import freeze_layers
from workloads.layers.images.convolution import convolution, transposed_convolution
from workloads.layers.images.detection import anchor_loss, region_loss, region_maps, region_tokens
from workloads.layers.images.pooling import max_pool
from workloads.layers.images.pyramid import WIDTH, feature_pyramid, over_levels
from workloads.layers.tokens.tokens import token_linear
from workloads.network import Network
from workloads.zoo.images.convolutional.resnet import FROZEN, Residual, add_stages

SOURCE = "He et al. 2017, arXiv:1703.06870, section 3.1 and figure 4"
DEPTHS, ANCHORS, REGIONS, MASKS, FEATURES, CONVOLUTIONS = (3, 4, 6, 3), 3, 512, 128, 1024, 4
BOX_SIZE, MASK_SIZE = 7, 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A published variant: image extents [pixels], classes, and where a bottleneck has its stride."""

    extents: tuple[int, int]
    classes: int
    stride_first: bool


VARIANTS = {
    "mask-rcnn": Detector(extents=(800, 1344), classes=81, stride_first=True),
    "mask-rcnn-tf2": Detector(extents=(832, 1344), classes=91, stride_first=False),
    "mask-rcnn-torchvision": Detector(extents=(800, 1344), classes=91, stride_first=False),
}


def build_mask_rcnn(name: str, *, detector: Detector, image_size: int | None = None) -> Network:
    """A Mask R-CNN.

    Args:
        name: registered name.
        detector: the variant.
        image_size: [pixels] height and width, a multiple of 64; None for the variant's own.

    Raises:
        NetworkError: levels are not half the size of the level before.
    """
    extents = detector.extents if image_size is None else (image_size, image_size)
    draft = Draft((3, *extents))
    residual = Residual(stride_first=detector.stride_first, frozen=True)
    stages = add_stages(draft, residual, depths=DEPTHS)
    levels = feature_pyramid(draft, stages, first=2)
    proposals = _proposals(draft, [*levels, draft.add(max_pool, "p6", levels[-1], kernel=1, stride=2)])
    classes, offsets = _boxes(draft, levels, detector.classes)
    masks = _masks(draft, levels, detector.classes)
    draft.add(region_loss, "loss", proposals, classes, offsets, masks)
    blocks = freeze_layers(draft.blocks(), FROZEN)
    return build_image_network(name, blocks, source=SOURCE)


def _proposals(draft: Draft, levels: list[str]) -> str:
    hidden = over_levels(draft, levels, "rpn", convolution, out_channels=WIDTH, kernel=3, padding=1)
    hidden = over_levels(draft, hidden, "rpn_relu", relu)
    scores = over_levels(draft, hidden, "rpn_scores", convolution, out_channels=ANCHORS, kernel=1)
    offsets = over_levels(draft, hidden, "rpn_offsets", convolution, out_channels=4 * ANCHORS, kernel=1)
    return draft.add(anchor_loss, "rpn_loss", *scores, *offsets)


def _boxes(draft: Draft, levels: list[str], classes: int) -> tuple[str, str]:
    draft.add(region_tokens, "box_regions", *levels, regions=REGIONS, size=BOX_SIZE)
    for number in (6, 7):
        draft.add(token_linear, f"box_fc{number}", out_features=FEATURES)
        draft.add(activation, f"box_relu{number}", function="relu")
    features = draft.last
    scores = draft.add(token_linear, "box_classes", features, out_features=classes)
    return scores, draft.add(token_linear, "box_offsets", features, out_features=4 * classes)


def _masks(draft: Draft, levels: list[str], classes: int) -> str:
    draft.add(region_maps, "mask_regions", *levels, regions=MASKS, size=MASK_SIZE)
    for number in range(1, CONVOLUTIONS + 1):
        draft.add(convolution, f"mask_conv{number}", out_channels=WIDTH, kernel=3, padding=1)
        draft.add(relu, f"mask_relu{number}")
    draft.add(transposed_convolution, "mask_up", out_channels=WIDTH, kernel=2, stride=2)
    draft.add(relu, "mask_up_relu")
    return draft.add(convolution, "mask_classes", out_channels=classes, kernel=1)


NETWORKS: dict[str, Callable[..., Network]] = {
    name: partial(build_mask_rcnn, name, detector=detector) for name, detector in VARIANTS.items()
}
ALIASES = {"maskrcnn": "mask-rcnn", "maskrcnn_resnet50_fpn": "mask-rcnn-torchvision"}
