"""Inception v3: Szegedy et al. 2015, arXiv:1512.00567, table 1, without the auxiliary classifier.

Channel counts that the paper leaves open are those of the authors' published model (23,834,568 parameters),
whose module names a (35 x 35 maps), b (17 x 17), c (8 x 8) are kept here.
"""

from collections.abc import Callable

from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.dropout import dropout
from workloads.layers.elementwise import concatenation
from workloads.layers.images.compound import conv_norm_relu
from workloads.layers.images.convolution import Extent
from workloads.layers.images.pooling import average_pool, global_pool, max_pool
from workloads.layers.linear import linear
from workloads.network import Block, Network
from workloads.tensors import BLOCK_INPUT

Shape = tuple[int, ...]


def build_inception_v3(*, image_size: int | None = None) -> Network:
    """Inception v3.

    Args:
        image_size: [pixels] height and width; None for 299.

    Raises:
        NetworkError: the image is too small.
    """
    size = 299 if image_size is None else image_size
    blocks = list(_stem((3, size, size)))

    def extend(build: Callable[..., Block], name: str, **widths: int) -> None:
        blocks.append(build(name, blocks[-1].layers[-1].output_shape, **widths))

    for name, pool_width in (("a1", 32), ("a2", 64), ("a3", 64)):
        extend(_module_a, name, pool_width=pool_width)
    extend(_reduction_a, "reduction_a")
    for name, width in (("b1", 128), ("b2", 160), ("b3", 160), ("b4", 192)):
        extend(_module_b, name, width=width)
    extend(_reduction_b, "reduction_b")
    extend(_module_c, "c1")
    extend(_module_c, "c2")
    extend(_head, "head")
    return build_image_network(
        "inception-v3", blocks, source="Szegedy et al. 2015, arXiv:1512.00567, table 1"
    )


def _stem(shape: Shape) -> tuple[Block, ...]:
    draft = Draft(shape)
    conv_norm_relu(draft, "conv1", out_channels=32, kernel=3, stride=2)
    conv_norm_relu(draft, "conv2", out_channels=32, kernel=3)
    conv_norm_relu(draft, "conv3", out_channels=64, kernel=3, padding=1)
    draft.add(max_pool, "pool3", kernel=3, stride=2)
    conv_norm_relu(draft, "conv4", out_channels=80, kernel=1)
    conv_norm_relu(draft, "conv5", out_channels=192, kernel=3)
    draft.add(max_pool, "pool5", kernel=3, stride=2)
    return draft.blocks()


def _module_a(name: str, shape: Shape, *, pool_width: int) -> Block:
    draft = Draft(shape)
    single = _branch(draft, "1x1", (64, 1))
    five = _branch(draft, "5x5", (48, 1), (64, 5))
    double = _branch(draft, "double", (64, 1), (96, 3), (96, 3))
    pooled = _pool_branch(draft, pool_width)
    draft.add(concatenation, "concat", single, five, double, pooled)
    return draft.block(name)


def _reduction_a(name: str, shape: Shape) -> Block:
    draft = Draft(shape)
    three = conv_norm_relu(draft, "3x3", BLOCK_INPUT, out_channels=384, kernel=3, stride=2)
    _branch(draft, "double", (64, 1), (96, 3))
    double = conv_norm_relu(draft, "double_last", out_channels=96, kernel=3, stride=2)
    pooled = draft.add(max_pool, "pool", BLOCK_INPUT, kernel=3, stride=2)
    draft.add(concatenation, "concat", three, double, pooled)
    return draft.block(name)


def _module_b(name: str, shape: Shape, *, width: int) -> Block:
    draft = Draft(shape)
    row, column = (1, 7), (7, 1)
    single = _branch(draft, "1x1", (192, 1))
    seven = _branch(draft, "7x7", (width, 1), (width, row), (192, column))
    double = _branch(draft, "double", (width, 1), (width, column), (width, row), (width, column), (192, row))
    pooled = _pool_branch(draft, 192)
    draft.add(concatenation, "concat", single, seven, double, pooled)
    return draft.block(name)


def _reduction_b(name: str, shape: Shape) -> Block:
    draft = Draft(shape)
    _branch(draft, "3x3", (192, 1))
    three = conv_norm_relu(draft, "3x3_last", out_channels=320, kernel=3, stride=2)
    _branch(draft, "7x7", (192, 1), (192, (1, 7)), (192, (7, 1)))
    seven = conv_norm_relu(draft, "7x7_last", out_channels=192, kernel=3, stride=2)
    pooled = draft.add(max_pool, "pool", BLOCK_INPUT, kernel=3, stride=2)
    draft.add(concatenation, "concat", three, seven, pooled)
    return draft.block(name)


def _module_c(name: str, shape: Shape) -> Block:
    draft = Draft(shape)
    single = _branch(draft, "1x1", (320, 1))
    three = _fork(draft, "3x3", _branch(draft, "3x3", (384, 1)))
    double = _fork(draft, "double", _branch(draft, "double", (448, 1), (384, 3)))
    pooled = _pool_branch(draft, 192)
    draft.add(concatenation, "concat", single, *three, *double, pooled)
    return draft.block(name)


def _head(name: str, shape: Shape) -> Block:
    draft = Draft(shape)
    draft.add(global_pool, "pool")
    draft.add(dropout, "drop")
    draft.add(linear, "fc", out_features=1000)
    draft.add(softmax, "loss")
    return draft.block(name)


def _branch(draft: Draft, name: str, *steps: tuple[int, Extent]) -> str:
    """Convolutions of these (channels, filter) from the block's input; returns the output's name."""
    source = BLOCK_INPUT
    for index, (channels, kernel) in enumerate(steps, start=1):
        source = _same(draft, f"{name}_{index}", source, channels, kernel)
    return source


def _fork(draft: Draft, name: str, source: str) -> tuple[str, str]:
    row = _same(draft, f"{name}_row", source, 384, (1, 3))
    return row, _same(draft, f"{name}_column", source, 384, (3, 1))


def _pool_branch(draft: Draft, width: int) -> str:
    pooled = draft.add(average_pool, "pool", BLOCK_INPUT, kernel=3, stride=1, padding=1)
    return _same(draft, "pool_proj", pooled, width, 1)


def _same(draft: Draft, name: str, source: str, channels: int, kernel: Extent) -> str:
    padding = kernel // 2 if isinstance(kernel, int) else (kernel[0] // 2, kernel[1] // 2)
    return conv_norm_relu(draft, name, source, out_channels=channels, kernel=kernel, padding=padding)


NETWORKS: dict[str, Callable[..., Network]] = {"inception-v3": build_inception_v3}
