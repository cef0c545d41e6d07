"""Moving channels about: halves of a tensor, and the shuffle of ShuffleNet.

Half of the channels is a view in every framework, but the convolution that reads it copies it together,
within its call; the gradients of both halves are put together by one. The shuffle writes channels in
transposed order (Zhang et al. 2018, arXiv:1707.01083, section 3.1). Both move every element once each way.
"""

from dataclasses import replace

from workloads.errors import NetworkError
from workloads.layer import Layer
from workloads.operators import Operator, OperatorKind
from workloads.tensors import Tensor


def channel_half(name: str, source: Tensor, *, second: bool) -> Layer:
    """The first or second half of the channels, copied out; the gradient is copied back in.

    Raises:
        NetworkError: the number of channels is odd.
    """
    channels, *extents = source.shape
    if channels % 2:
        raise NetworkError([f"{name}: halves {channels} channels; expected an even number"])
    count = source.elements // 2
    return Layer(
        name=name,
        kind="half",
        inputs=(source.name,),
        output_shape=(channels // 2, *extents),
        forward=(replace(_copy("copy", count), inner=True),),
        input_gradient=(replace(_copy("copy back", count), inner=second),),
        attributes={"part": int(second)},
    )


def channel_shuffle(name: str, source: Tensor, *, groups: int = 2) -> Layer:
    """Channels of ``groups`` groups in turn instead of one group after another.

    Raises:
        NetworkError: the groups do not divide the channels.
    """
    if source.shape[0] % groups:
        found = f"{groups} groups of {source.shape[0]} channels"
        raise NetworkError([f"{name}: {found}; expected a divisor"])
    return Layer(
        name=name,
        kind="shuffle",
        inputs=(source.name,),
        output_shape=source.shape,
        forward=(_copy("shuffle", source.elements),),
        input_gradient=(_copy("shuffle back", source.elements),),
        attributes={"groups": groups},
    )


def _copy(name: str, count: int) -> Operator:
    return Operator(name=name, kind=OperatorKind.ELEMENTWISE, flops=0, reads=count, writes=count)
