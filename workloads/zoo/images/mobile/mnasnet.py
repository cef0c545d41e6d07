"""MnasNet-B1, without gates: Tan et al. 2018, arXiv:1807.11626, figure 7 and table 1, by width multiplier.

Channels are rounded to eights, up unless down loses less than a tenth, as torchvision does; the last
convolution keeps 1,280 channels.
"""

from collections.abc import Callable
from functools import partial

from workloads.layers.drafts.draft import Draft, build_image_network, output_shape
from workloads.layers.images.compound import classifier, conv_norm, conv_norm_act
from workloads.layers.images.inverted_residual import InvertedResidual, divisible, inverted_residuals, stage
from workloads.network import Block, Network

SOURCE = "Tan et al. 2018, arXiv:1807.11626, figure 7 (B1)"
STAGES = (
    (24, 3, 2, 3, 3),
    (40, 5, 2, 3, 3),
    (80, 5, 2, 6, 3),
    (96, 3, 1, 6, 2),
    (192, 5, 2, 6, 4),
    (320, 3, 1, 6, 1),
)
"""Output channels, filter, first stride, expansion and blocks."""
STEM, FIRST, HEAD = 32, 16, 1280


def build_mnasnet(name: str, *, width: float = 1.0, image_size: int | None = None) -> Network:
    """A MnasNet-B1.

    Args:
        name: registered name.
        width: multiplier of the channels.
        image_size: [pixels] height and width; None for 224.

    Raises:
        NetworkError: the image is too small.
    """
    size = 224 if image_size is None else image_size
    blocks = [_stem((3, size, size), divisible(STEM * width), divisible(FIRST * width))]
    channels, parts = output_shape(blocks)[0], list[InvertedResidual]()
    for base, kernel, stride, expansion, repeats in STAGES:
        outputs = divisible(base * width)
        first = InvertedResidual(
            expanded=expansion * channels,
            out_channels=outputs,
            kernel=kernel,
            stride=stride,
            function="relu",
        )
        parts += stage(first, expansion * outputs, repeats)
        channels = outputs
    blocks += inverted_residuals(output_shape(blocks), parts)
    last = Draft(output_shape(blocks))
    conv_norm_act(last, "conv", out_channels=HEAD, kernel=1, function="relu")
    blocks.append(last.block("last"))
    blocks.append(classifier(output_shape(blocks), drop=True))
    return build_image_network(name, blocks, source=SOURCE)


def _stem(shape: tuple[int, ...], channels: int, outputs: int) -> Block:
    draft = Draft(shape)
    conv_norm_act(draft, "conv", out_channels=channels, kernel=3, stride=2, padding=1, function="relu")
    conv_norm_act(
        draft, "depthwise", out_channels=channels, kernel=3, padding=1, groups=channels, function="relu"
    )
    conv_norm(draft, "project", out_channels=outputs, kernel=1)
    return draft.block("stem")


NETWORKS: dict[str, Callable[..., Network]] = {
    f"mnasnet-{width}": partial(build_mnasnet, f"mnasnet-{width}", width=width)
    for width in (0.5, 0.75, 1.0, 1.3)
}
ALIASES = {
    **{name.replace("-", "").replace(".", "_"): name for name in NETWORKS},
    **{f"mnasnet_{round(100 * width):03d}": f"mnasnet-{width}" for width in (0.5, 0.75, 1.0)},
}
