"""ShuffleNetV2: Ma et al. 2018, arXiv:1807.11164, table 5, by width."""

from collections.abc import Callable
from functools import partial

from workloads.layers.drafts.draft import Draft, build_image_network, output_shape
from workloads.layers.elementwise import concatenation
from workloads.layers.images.channels import channel_half, channel_shuffle
from workloads.layers.images.compound import classifier, conv_norm, conv_norm_relu
from workloads.layers.images.pooling import max_pool
from workloads.network import Block, Network
from workloads.tensors import BLOCK_INPUT

SOURCE = "Ma et al. 2018, arXiv:1807.11164, table 5"
STEM = 24
DEPTHS = (4, 8, 4)
WIDTHS = {
    "0.5": (48, 96, 192, 1024),
    "1.0": (116, 232, 464, 1024),
    "1.5": (176, 352, 704, 1024),
    "2.0": (244, 488, 976, 2048),
}
"""Output channels of the three stages and of the last convolution."""


def build_shufflenet_v2(name: str, *, widths: tuple[int, ...], image_size: int | None = None) -> Network:
    """A ShuffleNetV2.

    Args:
        name: registered name.
        widths: channels of the stages and of the last convolution.
        image_size: [pixels] height and width; None for 224.

    Raises:
        NetworkError: the image is too small.
    """
    size = 224 if image_size is None else image_size
    blocks = [_stem((3, size, size))]
    for index, (width, depth) in enumerate(zip(widths, DEPTHS, strict=False), start=2):
        blocks.append(_reduction(f"stage{index}_1", output_shape(blocks), width))
        blocks.append(_unit(f"stage{index}_x", output_shape(blocks), depth - 1))
    last = Draft(output_shape(blocks))
    conv_norm_relu(last, "conv5", out_channels=widths[-1], kernel=1)
    blocks.append(last.block("conv5"))
    blocks.append(classifier(output_shape(blocks)))
    return build_image_network(name, blocks, source=SOURCE)


def _stem(shape: tuple[int, ...]) -> Block:
    draft = Draft(shape)
    conv_norm_relu(draft, "conv1", out_channels=STEM, kernel=3, stride=2, padding=1)
    draft.add(max_pool, "pool1", kernel=3, stride=2, padding=1)
    return draft.block("stem")


def _unit(name: str, shape: tuple[int, ...], count: int) -> Block:
    """Half of the channels pass by, the other half is filtered (figure 3c)."""
    draft = Draft(shape)
    kept = draft.add(channel_half, "kept", BLOCK_INPUT, second=False)
    draft.add(channel_half, "half", BLOCK_INPUT, second=True)
    output = _branch(draft, shape[0] // 2, stride=1)
    draft.add(concatenation, "concat", kept, output)
    draft.add(channel_shuffle, "shuffle")
    return draft.block(name, count=count)


def _reduction(name: str, shape: tuple[int, ...], width: int) -> Block:
    """Both branches see all channels and halve the maps (figure 3d)."""
    draft = Draft(shape)
    _depthwise(draft, "left_depthwise", BLOCK_INPUT, stride=2)
    left = conv_norm_relu(draft, "left", out_channels=width // 2, kernel=1)
    right = _branch(draft, width // 2, stride=2, source=BLOCK_INPUT)
    draft.add(concatenation, "concat", left, right)
    draft.add(channel_shuffle, "shuffle")
    return draft.block(name)


def _branch(draft: Draft, width: int, *, stride: int, source: str = "half") -> str:
    conv_norm_relu(draft, "conv1", source, out_channels=width, kernel=1)
    _depthwise(draft, "depthwise", draft.last, stride=stride)
    return conv_norm_relu(draft, "conv2", out_channels=width, kernel=1)


def _depthwise(draft: Draft, name: str, source: str, *, stride: int) -> None:
    channels = draft.shape_of(source)[0]
    conv_norm(
        draft,
        name,
        source,
        out_channels=channels,
        kernel=3,
        stride=stride,
        padding=1,
        groups=channels,
    )


NETWORKS: dict[str, Callable[..., Network]] = {
    f"shufflenet-v2-{size}": partial(build_shufflenet_v2, f"shufflenet-v2-{size}", widths=widths)
    for size, widths in WIDTHS.items()
}
ALIASES = {f"shufflenet_v2_x{size.replace('.', '_')}": f"shufflenet-v2-{size}" for size in WIDTHS}
