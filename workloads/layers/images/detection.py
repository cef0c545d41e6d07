"""What detectors add behind their maps: losses of anchors, regions cut from maps, losses of regions.

Priced are the kernels on the device that touch many elements. Anchors matched to boxes, sorting, suppression
of overlapping boxes and what the host does in between are hundreds of small kernels and copies, a matter of
the training program: a software stack counts them as time a step.

- Anchor loss: scores and offsets of all levels side by side in FP32, a cross-entropy or focal loss over the
  classes of each anchor (Lin et al. 2017, arXiv:1708.02002, equation 5), smooth L1 on the offsets.
- Regions (He et al. 2017, arXiv:1703.06870, section 3): every element of a region is the mean of four points,
each interpolated from four pixels; the gradient adds to the same sixteen by atomic operations in FP32.
"""

from dataclasses import replace
from math import prod

from workloads.layer import Layer, SavedActivation
from workloads.operators import Operator, OperatorKind
from workloads.tensors import Tensor

PIXELS = 16
"""Pixels that an element of a region is read from: four points of four pixels."""


def anchor_loss(name: str, *sources: Tensor) -> Layer:
    """Losses of scores and offsets of all levels."""
    count = sum(source.elements for source in sources)
    wide = {"count": count, "element_size": 4}
    return Layer(
        name=name,
        kind="detection_loss",
        inputs=tuple(source.name for source in sources),
        output_shape=(1,),
        forward=(
            _operator("join levels", OperatorKind.ELEMENTWISE, count=count, reads=1, writes=1),
            _operator("upcast", OperatorKind.ELEMENTWISE, reads=1, writes=1, **wide),
            _operator("class loss", OperatorKind.SOFTMAX, work=8, reads=1, writes=1, **wide),
            _operator("sum", OperatorKind.REDUCTION, work=2, reads=2, writes=0, **wide),
        ),
        input_gradient=(
            _operator("class gradient", OperatorKind.SOFTMAX, work=8, reads=2, writes=1, **wide),
            _operator("downcast", OperatorKind.ELEMENTWISE, reads=1, writes=1, **wide),
            _operator("separate levels", OperatorKind.ELEMENTWISE, count=count, reads=1, writes=1),
        ),
        saved=(SavedActivation(name="scores", elements=count, element_size=4),),
    )


def region_tokens(name: str, *levels: Tensor, regions: int, size: int) -> Layer:
    """Regions of ``size`` x ``size`` pixels as tokens of all their elements, (regions, channels x size^2)."""
    channels = levels[0].shape[0]
    layer = _regions(name, levels, regions * channels * size * size)
    return replace(layer, output_shape=(regions, channels * size * size))


def region_maps(name: str, *levels: Tensor, regions: int, size: int) -> Layer:
    """Regions below one another as one map, (channels, regions x size, size)."""
    channels = levels[0].shape[0]
    layer = _regions(name, levels, regions * channels * size * size)
    return replace(layer, output_shape=(channels, regions * size, size))


def _regions(name: str, levels: tuple[Tensor, ...], count: int) -> Layer:
    maps = sum(level.elements for level in levels)
    clear = Operator(name="clear", kind=OperatorKind.ELEMENTWISE, flops=0, writes=maps)
    return Layer(
        name=name,
        kind="regions",
        inputs=tuple(level.name for level in levels),
        output_shape=(count,),
        forward=(_operator("interpolate", OperatorKind.GATHER, count=count, work=48, reads=5, writes=1),),
        input_gradient=(
            clear,
            _operator(
                "scatter",
                OperatorKind.GATHER,
                count=count,
                work=48,
                reads=PIXELS + 1,
                writes=PIXELS,
                element_size=4,
            ),
        ),
    )


def region_loss(name: str, *sources: Tensor) -> Layer:
    """Losses of the regions' classes, offsets and masks, and of the anchors, added up."""
    count = sum(prod(source.shape) for source in sources)
    wide = {"count": count, "element_size": 4}
    return Layer(
        name=name,
        kind="detection_loss",
        inputs=tuple(source.name for source in sources),
        output_shape=(1,),
        forward=(
            _operator("upcast", OperatorKind.ELEMENTWISE, reads=1, writes=1, **wide),
            _operator("loss", OperatorKind.SOFTMAX, work=8, reads=1, writes=1, **wide),
        ),
        input_gradient=(
            _operator("gradient", OperatorKind.SOFTMAX, work=8, reads=2, writes=1, **wide),
            _operator("downcast", OperatorKind.ELEMENTWISE, reads=1, writes=1, **wide),
        ),
        saved=(SavedActivation(name="scores", elements=count, element_size=4),),
    )


def _operator(
    name: str,
    kind: OperatorKind,
    *,
    count: int,
    reads: int,
    writes: int,
    work: int = 0,
    element_size: int = 0,
) -> Operator:
    return Operator(
        name=name,
        kind=kind,
        flops=work * count,
        reads=reads * count,
        writes=writes * count,
        element_size=element_size,
    )
