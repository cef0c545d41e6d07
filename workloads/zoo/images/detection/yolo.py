"""YOLO: detectors of one pass over the image, on maps of an eighth, a 16th and a 32nd of its size.

``yolov3``: Redmon and Farhadi 2018 (arXiv:1804.02767), section 2.3 and table 1, heads as in pjreddie/darknet
(``cfg/yolov3.cfg``). ``yolov5n`` to ``yolov5x``: ultralytics/yolov5 v7.0 (``models/yolov5s.yaml``,
``models/common.py``). ``yolov8n`` to ``yolov8x``: ultralytics v8.0 (``cfg/models/v8/yolov8.yaml``,
``nn/modules/block.py``, ``nn/modules/head.py``). All find the 80 classes of COCO. Matching boxes is host time
of the software, as for other detectors (`workloads.layers.images.detection`).
"""

from collections.abc import Callable
from functools import partial

from workloads.errors import NetworkError
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.elementwise import addition, concatenation
from workloads.layers.images.channels import channel_half
from workloads.layers.images.compound import conv_norm_act
from workloads.layers.images.convolution import convolution
from workloads.layers.images.detection import anchor_loss
from workloads.layers.images.pooling import max_pool
from workloads.layers.images.segmentation import upsample
from workloads.network import Network

SOURCE_V3 = "Redmon and Farhadi 2018, arXiv:1804.02767, section 2.3"
SOURCE_V5 = "ultralytics/yolov5 v7.0, models/yolov5s.yaml"
SOURCE_V8 = "ultralytics v8.0, cfg/models/v8/yolov8.yaml"
CLASSES, ANCHORS = 80, 3
SIDES = 4 * 16
"""Outputs for a box of v8: a distribution over 16 bins for each side (Li et al. 2020, arXiv:2006.04388)."""


def build_yolov3(*, image_size: int | None = None) -> Network:
    """YOLOv3; ``image_size`` is a multiple of 32, None for 416.

    Raises:
        NetworkError: another size.
    """
    draft = _image("yolov3", 416 if image_size is None else image_size)
    conv = partial(_conv, draft, function="leaky_relu")
    conv("stem", 32)
    stages = []
    for stage, depth in enumerate((1, 2, 8, 8, 4), start=1):
        source = conv(f"down{stage}", 32 * 2**stage, stride=2)
        for block in range(1, depth + 1):
            conv(f"stage{stage}_{block}_1", 16 * 2**stage, kernel=1)
            branch = conv(f"stage{stage}_{block}_2", 32 * 2**stage)
            source = draft.add(addition, f"stage{stage}_{block}_add", branch, source)
        stages.append(source)
    outputs = []
    above = ""
    for level in (5, 4, 3):
        width, source = 16 * 2**level, stages[level - 1]
        if above:
            conv(f"lateral{level}", width, above, kernel=1)
            source = _joined(draft, f"level{level}", source)
        for pair in (1, 2):
            source = conv(f"level{level}_{pair}_1", width, source, kernel=1)
            source = conv(f"level{level}_{pair}_2", 2 * width, source)
        above = conv(f"level{level}_3", width, kernel=1)
        conv(f"level{level}_4", 2 * width)
        outputs.append(_outputs(draft, f"boxes{level}", ANCHORS * (CLASSES + 5)))
    return _finished(draft, "yolov3", outputs, SOURCE_V3)


def build_yolov5(name: str, depth: float, width: float, *, image_size: int | None = None) -> Network:
    """A YOLOv5.

    Args:
        name: registered name.
        depth: factor of the blocks of a stage.
        width: factor of their channels.
        image_size: [pixels] a multiple of 32; None for 640.

    Raises:
        NetworkError: another size.
    """
    draft = _image(name, 640 if image_size is None else image_size)
    widths = [_scaled(width * 64 * 2**stage) for stage in range(5)]
    depths = [max(1, round(depth * count)) for count in (3, 6, 9, 3)]
    _conv(draft, "stem", widths[0], kernel=6, stride=2, padding=2)
    stages = _backbone(draft, _c3, widths[1:], depths)
    conv4 = _conv(draft, "lateral4", widths[3], stages[3], kernel=1)
    _joined(draft, "up4", stages[2])
    _c3(draft, "up4_c3", widths[3], depths[0], shortcut=False)
    conv3 = _conv(draft, "lateral3", widths[2], kernel=1)
    _joined(draft, "up3", stages[1])
    levels = [_c3(draft, "up3_c3", widths[2], depths[0], shortcut=False)]
    levels += _path_down(draft, _c3, widths[2:], (conv3, conv4), depths[0])
    outputs = [
        _outputs(draft, f"boxes{n}", ANCHORS * (CLASSES + 5), each) for n, each in enumerate(levels, 3)
    ]
    return _finished(draft, name, outputs, SOURCE_V5)


def build_yolov8(
    name: str, depth: float, width: float, most: int, *, image_size: int | None = None
) -> Network:
    """A YOLOv8.

    Args:
        name: registered name.
        depth: factor of the blocks of a stage.
        width: factor of their channels.
        most: channels of a stage before they are scaled.
        image_size: [pixels] a multiple of 32; None for 640.

    Raises:
        NetworkError: another size.
    """
    draft = _image(name, 640 if image_size is None else image_size)
    widths = [_scaled(width * min(most, 64 * 2**stage)) for stage in range(5)]
    depths = [max(1, round(depth * count)) for count in (3, 6, 6, 3)]
    _conv(draft, "stem", widths[0], stride=2)
    stages = _backbone(draft, _c2f, widths[1:], depths)
    _joined(draft, "up4", stages[2], stages[3])
    middle = _c2f(draft, "up4_c2f", widths[3], depths[0], shortcut=False)
    _joined(draft, "up3", stages[1])
    levels = [_c2f(draft, "up3_c2f", widths[2], depths[0], shortcut=False)]
    levels += _path_down(draft, _c2f, widths[2:], (middle, stages[3]), depths[0])
    heads = (("boxes", max(16, widths[2] // 4, SIDES), SIDES), ("classes", max(widths[2], CLASSES), CLASSES))
    outputs = []
    for number, level in enumerate(levels, start=3):
        for head, inner, values in heads:
            _conv(draft, f"{head}{number}_1", inner, level)
            _conv(draft, f"{head}{number}_2", inner)
            outputs.append(_outputs(draft, f"{head}{number}", values))
    return _finished(draft, name, outputs, SOURCE_V8)


def _image(name: str, size: int) -> Draft:
    if size % 32:
        raise NetworkError([f"network {name}: image_size: found {size}; expected a multiple of 32"])
    return Draft((3, size, size))


def _scaled(width: float) -> int:
    """Channels rounded up to a multiple of eight."""
    return -int(-width // 8) * 8


def _conv(
    draft: Draft,
    name: str,
    width: int,
    *sources: str,
    kernel: int = 3,
    stride: int = 1,
    padding: int | None = None,
    function: str = "silu",
) -> str:
    """Convolution, batch normalisation and activation; maps keep their size at stride one."""
    around = kernel // 2 if padding is None else padding
    options = {"out_channels": width, "kernel": kernel, "stride": stride, "padding": around}
    return conv_norm_act(draft, name, *sources, function=function, **options)


def _backbone(draft: Draft, stage: Callable[..., str], widths: list[int], depths: list[int]) -> list[str]:
    """Four stages, each at half the size of the one before, and pooling at several sizes behind the last."""
    outputs = []
    for number, (width, depth) in enumerate(zip(widths, depths, strict=True), start=2):
        _conv(draft, f"down{number}", width, stride=2)
        outputs.append(stage(draft, f"stage{number}", width, depth))
    pooled = [_conv(draft, "pools_in", widths[-1] // 2, kernel=1)]
    pooled += [draft.add(max_pool, f"pool{size}", kernel=5, stride=1, padding=2) for size in (5, 9, 13)]
    draft.add(concatenation, "pools", *pooled)
    outputs[-1] = _conv(draft, "pools_out", widths[-1], kernel=1)
    return outputs


def _path_down(
    draft: Draft, stage: Callable[..., str], widths: list[int], joined: tuple[str, str], depth: int
) -> list[str]:
    """The levels of a 16th and a 32nd, each from the one before and a map of its size."""
    levels = []
    for number, other in enumerate(joined):
        _conv(draft, f"level_down{number}", widths[number], stride=2)
        draft.add(concatenation, f"level_join{number}", draft.last, other)
        levels.append(stage(draft, f"level{number}", widths[number + 1], depth, shortcut=False))
    return levels


def _c3(draft: Draft, name: str, width: int, depth: int, *, shortcut: bool = True) -> str:
    """Half of the channels pass through ``depth`` bottlenecks, the other half beside them (C3)."""
    source, half = draft.last, width // 2
    inner = _conv(draft, f"{name}_in", half, kernel=1)
    for number in range(1, depth + 1):
        inner = _bottleneck(draft, f"{name}_{number}", half, inner, kernel=1, shortcut=shortcut)
    beside = _conv(draft, f"{name}_beside", half, source, kernel=1)
    draft.add(concatenation, f"{name}_join", inner, beside)
    return _conv(draft, f"{name}_out", width, kernel=1)


def _c2f(draft: Draft, name: str, width: int, depth: int, *, shortcut: bool = True) -> str:
    """As C3, but what every bottleneck puts out is joined (C2f)."""
    parts = [_conv(draft, f"{name}_in", width, kernel=1)]
    inner = draft.add(channel_half, f"{name}_half", second=True)
    for number in range(1, depth + 1):
        inner = _bottleneck(draft, f"{name}_{number}", width // 2, inner, kernel=3, shortcut=shortcut)
        parts.append(inner)
    draft.add(concatenation, f"{name}_join", *parts)
    return _conv(draft, f"{name}_out", width, kernel=1)


def _bottleneck(draft: Draft, name: str, width: int, source: str, *, kernel: int, shortcut: bool) -> str:
    _conv(draft, f"{name}_1", width, source, kernel=kernel)
    branch = _conv(draft, f"{name}_2", width)
    return draft.add(addition, f"{name}_add", branch, source) if shortcut else branch


def _joined(draft: Draft, name: str, other: str, *sources: str) -> str:
    """Maps at twice their size beside ``other``."""
    larger = draft.add(upsample, f"{name}_larger", *sources)
    return draft.add(concatenation, f"{name}_join", larger, other)


def _outputs(draft: Draft, name: str, values: int, *sources: str) -> str:
    return draft.add(convolution, name, *sources, out_channels=values, kernel=1)


def _finished(draft: Draft, name: str, outputs: list[str], source: str) -> Network:
    draft.add(anchor_loss, "loss", *outputs)
    return build_image_network(name, draft.blocks(), source=source)


_SCALES: dict[str, tuple[float, float, int]] = {
    "n": (0.33, 0.25, 1024),
    "s": (0.33, 0.5, 1024),
    "m": (0.67, 0.75, 768),
    "l": (1.0, 1.0, 512),
    "x": (1.33, 1.25, 512),
}
"""Depth, width and, of v8, most channels. The depth of ``yolov8x`` is 1."""

NETWORKS: dict[str, Callable[..., Network]] = {
    "yolov3": build_yolov3,
    **{
        f"yolov5{size}": partial(build_yolov5, f"yolov5{size}", *scale[:2]) for size, scale in _SCALES.items()
    },
    **{
        f"yolov8{size}": partial(build_yolov8, f"yolov8{size}", min(1.0, depth), width, most)
        for size, (depth, width, most) in _SCALES.items()
    },
}
