"""U-Net: Ronneberger, Fischer, Brox 2015, arXiv:1505.04597, figure 1.

Convolutions without padding (572 pixels in, 388 out), maximum pooling down, transposed convolutions up,
skipped maps cropped and concatenated. ``unet`` goes up by 2 x 2 filters, as the paper does; ``unet-medical``,
NVIDIA's TensorFlow 2 example, by 3 x 3 filters with ReLU behind them. ``unet-industrial`` is the small one of
NVIDIA's TensorFlow example on DAGM 2007 (TensorFlow/Segmentation/UNet_Industrial, ``tinyUNet``): padded, on
images of 512 pixels and one channel, with one class.
"""

from collections.abc import Callable
from functools import partial

from workloads.errors import NetworkError
from workloads.layers.activation import relu
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.dropout import dropout
from workloads.layers.elementwise import concatenation
from workloads.layers.images.compound import conv_relu
from workloads.layers.images.convolution import convolution, transposed_convolution
from workloads.layers.images.pooling import max_pool
from workloads.layers.images.segmentation import crop, pixel_loss
from workloads.network import Network

SOURCE = "Ronneberger et al. 2015, arXiv:1505.04597, figure 1"
WIDTHS = (64, 128, 256, 512)
BOTTOM, CLASSES = 1024, 2


def build_unet(name: str, *, up_kernel: int = 2, image_size: int | None = None) -> Network:
    """A U-Net of four levels above its bottom.

    Args:
        name: registered name.
        up_kernel: [pixels] of the transposed convolutions; those wider than two have a ReLU.
        image_size: [pixels] height and width; None for 572.

    Raises:
        NetworkError: the image is too small.
    """
    size = 572 if image_size is None else image_size
    draft = Draft((1, size, size))
    skips = []
    for level, width in enumerate(WIDTHS, start=1):
        skips.append(_pair(draft, f"down{level}", width))
        draft.add(max_pool, f"pool{level}", kernel=2)
    _pair(draft, "bottom", BOTTOM)
    draft.add(dropout, "dropout")
    for level in range(len(WIDTHS), 0, -1):
        width = WIDTHS[level - 1]
        larger = draft.add(
            transposed_convolution, f"up{level}", out_channels=width, kernel=up_kernel, stride=2
        )
        if up_kernel > 2:
            larger = draft.add(relu, f"up{level}_relu")
        skip = draft.add(crop, f"crop{level}", skips[level - 1], extents=draft.shape_of(larger)[1:])
        draft.add(concatenation, f"concat{level}", larger, skip)
        _pair(draft, f"level{level}", width)
    draft.add(convolution, "classes", out_channels=CLASSES, kernel=1)
    draft.add(pixel_loss, "loss")
    return build_image_network(name, draft.blocks(), source=SOURCE)


INDUSTRIAL = "NVIDIA DeepLearningExamples, TensorFlow/Segmentation/UNet_Industrial, model/unet.py (tinyUNet)"


def build_industrial(*, image_size: int | None = None) -> Network:
    """The U-Net for defects on surfaces; ``image_size`` is a multiple of 16, None for 512.

    Raises:
        NetworkError: maps that do not meet again on the way up.
    """
    size = 512 if image_size is None else image_size
    if size % 16:
        raise NetworkError([f"network unet-industrial: image_size: found {size}; expected a multiple of 16"])
    draft = Draft((1, size, size))
    skips = []
    for level, width in enumerate((32, 32, 64, 128), start=1):
        skips.append(_padded(draft, f"down{level}", width, width))
        draft.add(max_pool, f"pool{level}", kernel=2)
    _padded(draft, "bottom", 256, 256)
    _raised(draft, "up4", 128)
    for level, width in ((4, 128), (3, 64), (2, 32)):
        draft.add(concatenation, f"concat{level}", draft.last, skips[level - 1])
        _padded(draft, f"level{level}", width, width // 2)
        _raised(draft, f"up{level - 1}", width // 2)
    draft.add(concatenation, "concat1", draft.last, skips[0])
    _padded(draft, "level1", 32, 32)
    draft.add(convolution, "classes", out_channels=1, kernel=1)
    draft.add(pixel_loss, "loss")
    return build_image_network("unet-industrial", draft.blocks(), source=INDUSTRIAL)


def _padded(draft: Draft, name: str, first: int, second: int) -> str:
    conv_relu(draft, f"{name}_conv1", out_channels=first, kernel=3, padding=1)
    return conv_relu(draft, f"{name}_conv2", out_channels=second, kernel=3, padding=1)


def _raised(draft: Draft, name: str, width: int) -> str:
    draft.add(transposed_convolution, name, out_channels=width, kernel=2, stride=2)
    return draft.add(relu, f"{name}_relu")


def _pair(draft: Draft, name: str, width: int) -> str:
    conv_relu(draft, f"{name}_conv1", out_channels=width, kernel=3)
    return conv_relu(draft, f"{name}_conv2", out_channels=width, kernel=3)


NETWORKS: dict[str, Callable[..., Network]] = {
    "unet": partial(build_unet, "unet"),
    "unet-industrial": build_industrial,
    "unet-medical": partial(build_unet, "unet-medical", up_kernel=3),
}
ALIASES = {"u-net": "unet"}
