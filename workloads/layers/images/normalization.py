"""Normalisation of maps: over the batch (Ioffe and Szegedy 2015, arXiv:1502.03167) and across channels.

Batch normalisation in training makes two passes over its n = C H W elements each way, work in O(N C H W)
(Ben-Nun and Hoefler 2018, arXiv:1802.09941, table 4):

- forward: sum and sum of squares (3 n flops), then y = a x + b with a, b per channel (2 n);
- backward: sums of dy and of dy * (x - mean) * a (5 n), then dx = a dy + b x + c (4 n).

The second pass of each exchanges nothing between threads: it is element-wise. Libraries do both passes in one
call (cudnnBatchNormalizationForwardTraining and its backward).

The sums are also the gradients of the scale and shift, so there is no separate weight-gradient kernel. The
input is kept. Mean and deviation (2 C values per batch, not per sample) are not counted.
"""

from dataclasses import replace

from workloads.layer import Layer, SavedActivation
from workloads.operators import Operator, OperatorKind
from workloads.tensors import Tensor


def batch_norm(name: str, source: Tensor) -> Layer:
    """Batch normalisation of each channel with trainable scale and shift."""
    return _channel_norm(name, source, over="batch")


def instance_norm(name: str, source: Tensor) -> Layer:
    """Normalises each channel of each sample, with trainable scale and shift: the same passes over memory.

    (Ulyanov et al. 2016, arXiv:1607.08022.)
    """
    return _channel_norm(name, source, over="instance")


def group_norm(name: str, source: Tensor) -> Layer:
    """Normalises groups of channels of each sample, with trainable scale and shift: the same passes again.

    (Wu and He 2018, arXiv:1803.08494.) How many groups does not change what is moved.
    """
    return _channel_norm(name, source, over="group")


def _channel_norm(name: str, source: Tensor, *, over: str) -> Layer:
    count, channels = source.elements, source.shape[0]
    return Layer(
        name=name,
        kind="normalization",
        inputs=(source.name,),
        output_shape=source.shape,
        parameters=2 * channels,
        forward=(
            _sums("statistics", 3 * count, reads=count, channels=channels),
            _second_pass("normalise", 2 * count, reads=count, writes=count, channels=channels),
        ),
        input_gradient=(
            _sums("gradient sums", 5 * count, reads=2 * count, channels=channels),
            _second_pass("input gradient", 4 * count, reads=2 * count, writes=count, channels=channels),
        ),
        saved=(SavedActivation(name="input", elements=count),),
        attributes={"over": over},
    )


def frozen_norm(name: str, source: Tensor) -> Layer:
    """Batch normalisation with all numbers of an earlier training: y = a x + b, without parameters."""
    count, channels = source.elements, source.shape[0]
    work = {"reads": count, "writes": count, "channels": channels}
    return Layer(
        name=name,
        kind="normalization",
        inputs=(source.name,),
        output_shape=source.shape,
        forward=(replace(_elementwise("scale", 2 * count, **work), weights=0),),
        input_gradient=(replace(_elementwise("scale gradient", count, **work), weights=0),),
        attributes={"over": "nothing"},
    )


def local_response_norm(name: str, source: Tensor, *, size: int = 5) -> Layer:
    """Divides by (k + alpha/size * sum of squares over ``size`` channels) ** beta (Krizhevsky et al. 2012).

    Per element: one square, size - 1 additions, scale and shift, power, division: size + 4 flops; the
    gradient repeats the window sum on dy * y / scale and combines it: size + 6. Input and output are kept.
    """
    count = source.elements
    return Layer(
        name=name,
        kind="response_normalization",
        inputs=(source.name,),
        output_shape=source.shape,
        forward=(_window("response norm", (size + 4) * count, reads=count, writes=count),),
        input_gradient=(
            _window("response norm gradient", (size + 6) * count, reads=3 * count, writes=count),
        ),
        saved=(
            SavedActivation(name="input", elements=count),
            SavedActivation(name="output", elements=count),
        ),
        attributes={"size": size},
    )


def _sums(name: str, work: int, *, reads: int, channels: int) -> Operator:
    return Operator(name=name, kind=OperatorKind.REDUCTION, flops=work, reads=reads, weights=2 * channels)


def _elementwise(name: str, work: int, *, reads: int, writes: int, channels: int) -> Operator:
    return Operator(
        name=name,
        kind=OperatorKind.ELEMENTWISE,
        flops=work,
        reads=reads,
        writes=writes,
        weights=2 * channels,
    )


def _second_pass(name: str, work: int, *, reads: int, writes: int, channels: int) -> Operator:
    return replace(_elementwise(name, work, reads=reads, writes=writes, channels=channels), inner=True)


def _window(name: str, work: int, *, reads: int, writes: int) -> Operator:
    return Operator(name=name, kind=OperatorKind.NORMALIZATION, flops=work, reads=reads, writes=writes)
