"""nnU-Net in two and three dimensions, and the 3-D U-Net of MLPerf, which is the same network.

Isensee et al. 2021 (Nature Methods 18, supplementary note 2): two convolutions with instance normalisation
and leaky ReLU a level, strided convolutions down, transposed convolutions up, skips concatenated, channels
doubled from 32 up to 512 (images) or 320 (volumes). Patches and modalities are those of the brain tumour task
of the Medical Segmentation Decathlon, NVIDIA's examples' default: 192 x 160 pixels, 128 x 128 x 128 voxels,
four modalities, four classes. MLPerf's (kidney tumours) has one modality, three classes and ReLU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from workloads.errors import NetworkError
from workloads.layers.activation import activation
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.elementwise import concatenation
from workloads.layers.images.convolution import convolution, transposed_convolution
from workloads.layers.images.normalization import instance_norm
from workloads.layers.images.segmentation import pixel_loss
from workloads.network import Network

SOURCE = "Isensee et al. 2021, doi:10.1038/s41592-020-01008-z, supplementary note 2"
SOURCE_MLPERF = "MLPerf training v2.0, image segmentation (3-D U-Net on KiTS19)"
FIRST, LEVELS = 32, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is segmented.

    Attributes:
        patch: extents of a sample, multiples of 2 on the way down.
        modalities: channels of a sample.
        classes: of a pixel.
        widest: channels at most.
        function: activation.
    """

    patch: tuple[int, ...]
    modalities: int
    classes: int
    widest: int
    function: str = "leaky_relu"


TASKS: dict[str, tuple[Task, str]] = {
    "nnunet-2d": (Task(patch=(192, 160), modalities=4, classes=4, widest=512), SOURCE),
    "nnunet-3d": (Task(patch=(128, 128, 128), modalities=4, classes=4, widest=320), SOURCE),
    "unet3d": (
        Task(patch=(128, 128, 128), modalities=1, classes=3, widest=320, function="relu"),
        SOURCE_MLPERF,
    ),
}


def build_nnunet(name: str, *, task: Task, source: str, image_size: int | None = None) -> Network:
    """A U-Net of six levels.

    Args:
        name: registered name.
        task: what is segmented.
        source: paper.
        image_size: [pixels] of every axis instead of the patch, a multiple of 32.

    Raises:
        NetworkError: the levels do not halve the patch.
    """
    patch = task.patch if image_size is None else (image_size,) * len(task.patch)
    if any(extent % 2 ** (LEVELS - 1) for extent in patch):
        raise NetworkError([f"{name}: image size {patch}: expected multiples of {2 ** (LEVELS - 1)}"])
    widths = [min(FIRST * 2**level, task.widest) for level in range(LEVELS)]
    draft = Draft((task.modalities, *patch))
    skips = [_pair(draft, "down0", widths[0], task)]
    for level, width in enumerate(widths[1:], start=1):
        skips.append(_pair(draft, f"down{level}", width, task, stride=2))
    for level in range(LEVELS - 2, -1, -1):
        _up(draft, level, skips[level], widths[level], task)
    draft.add(convolution, "classes", out_channels=task.classes, kernel=1)
    draft.add(pixel_loss, "loss")
    return build_image_network(name, draft.blocks(), source=source)


def _up(draft: Draft, level: int, skip: str, width: int, task: Task) -> None:
    larger = draft.add(transposed_convolution, f"up{level}", out_channels=width, kernel=2, stride=2)
    draft.add(concatenation, f"concat{level}", larger, skip)
    _pair(draft, f"level{level}", width, task)


def _pair(draft: Draft, name: str, width: int, task: Task, *, stride: int = 1) -> str:
    """Two convolutions of 3 pixels on each axis; returns the name of the output."""
    for number, step in ((1, stride), (2, 1)):
        draft.add(
            convolution,
            f"{name}_conv{number}",
            out_channels=width,
            kernel=3,
            stride=step,
            padding=1,
            bias=False,
        )
        draft.add(instance_norm, f"{name}_norm{number}")
        draft.add(activation, f"{name}_{task.function}{number}", function=task.function)
    return draft.last


NETWORKS: dict[str, Callable[..., Network]] = {
    name: partial(build_nnunet, name, task=task, source=source) for name, (task, source) in TASKS.items()
}
ALIASES = {"unet-3d": "unet3d", "3d-unet": "unet3d", "nnunet": "nnunet-3d"}
