"""What segmentation networks add: crops of skipped maps, maps enlarged by repetition, losses of every pixel.

The loss joins cross-entropy and soft Dice over the classes of each pixel (Isensee et al. 2021, nnU-Net,
Nature Methods 18, supplementary note 4), in FP32 and unfused: logits are cast, softmax and its logarithm are
taken, and the sums of Dice read probabilities and targets; the backward pass adds both gradients, goes
through softmax and casts. Targets are counted one-hot, as the sums of Dice read them.
"""

from math import prod

from workloads.errors import NetworkError
from workloads.layer import Layer, SavedActivation
from workloads.operators import Operator, OperatorKind
from workloads.tensors import Tensor, map_extents

FUSION = "pixel_loss"


def crop(name: str, source: Tensor, *, extents: tuple[int, ...]) -> Layer:
    """The middle of maps: a view, whose reader takes what it needs; the gradient is laid into zeros.

    Raises:
        NetworkError: the crop is larger than the maps.
    """
    channels, *whole = map_extents(name, source)
    if len(extents) != len(whole) or any(part > full for part, full in zip(extents, whole, strict=True)):
        raise NetworkError([f"{name}: crops {tuple(whole)} to {extents}; expected no more on each axis"])
    count = channels * prod(extents)
    return Layer(
        name=name,
        kind="crop",
        inputs=(source.name,),
        output_shape=(channels, *extents),
        input_gradient=(_elementwise("pad", 0, reads=count, writes=source.elements),),
    )


def upsample(name: str, source: Tensor, *, scale: int = 2) -> Layer:
    """Every pixel repeated ``scale`` times on each axis; the gradient adds the copies."""
    channels, *extents = map_extents(name, source)
    larger = tuple(scale * extent for extent in extents)
    count = channels * prod(larger)
    return Layer(
        name=name,
        kind="upsampling",
        inputs=(source.name,),
        output_shape=(channels, *larger),
        forward=(_elementwise("repeat", 0, reads=source.elements, writes=count),),
        input_gradient=(_elementwise("add copies", count, reads=count, writes=source.elements),),
        attributes={"scale": scale},
    )


def pixel_loss(name: str, source: Tensor) -> Layer:
    """Cross-entropy and Dice over the channels of every pixel; softmax is kept in FP32."""
    count = source.elements
    return Layer(
        name=name,
        kind="pixel_loss",
        inputs=(source.name,),
        output_shape=(1,),
        forward=(
            _wide("upcast", OperatorKind.ELEMENTWISE, count, work=0, inputs=1, writes=count),
            _wide("softmax", OperatorKind.SOFTMAX, count, work=5, inputs=1, writes=count),
            _wide("cross-entropy", OperatorKind.SOFTMAX, count, work=5, inputs=2, writes=0),
            _wide("dice sums", OperatorKind.REDUCTION, count, work=5, inputs=2, writes=0),
        ),
        input_gradient=(
            _wide("dice gradient", OperatorKind.ELEMENTWISE, count, work=4, inputs=2, writes=count),
            _wide("softmax gradient", OperatorKind.SOFTMAX, count, work=4, inputs=2, writes=count),
            _wide("cross-entropy gradient", OperatorKind.ELEMENTWISE, count, work=2, inputs=3, writes=count),
            _wide("downcast", OperatorKind.ELEMENTWISE, count, work=0, inputs=1, writes=count),
        ),
        saved=(SavedActivation(name="softmax", elements=count, element_size=4),),
    )


def _wide(name: str, kind: OperatorKind, count: int, *, work: int, inputs: int, writes: int) -> Operator:
    return Operator(
        name=name,
        kind=kind,
        flops=work * count,
        reads=inputs * count,
        writes=writes,
        element_size=4,
    )


def _elementwise(name: str, work: int, *, reads: int, writes: int) -> Operator:
    return Operator(name=name, kind=OperatorKind.ELEMENTWISE, flops=work, reads=reads, writes=writes)
