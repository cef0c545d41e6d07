"""Pooling: one operation for each of the K_x K_y elements under each window.

Work per output map C P Q K_x K_y (Ben-Nun and Hoefler 2018, arXiv:1802.09941, table 4). What the backward
pass finds depends on the software (`workloads.layer.POOLING`): input and output, from which the kernel finds
the maxima again, or the input and an index of 8 bytes for each maximum. Windows of averages keep their input
in the second case and nothing in the first; a mean of whole maps never keeps any.
"""

from math import prod

from workloads.layer import KEEPS_INDICES, KEEPS_MAPS, Layer, SavedActivation
from workloads.layers.images.convolution import Extent, spread, window_outputs
from workloads.operators import Operator, OperatorKind
from workloads.tensors import Tensor, map_extents

INDEX = 8
"""[bytes] of the place of a maximum (ATen/native/cuda/DilatedMaxPool2d.cu at v2.5.1: indices are int64)."""


def max_pool(
    name: str,
    source: Tensor,
    *,
    kernel: Extent,
    stride: Extent | None = None,
    padding: Extent = 0,
    ceil: bool = False,
) -> Layer:
    """Largest element under each window; the stride is the kernel unless given.

    Raises:
        NetworkError: the window does not fit.
    """
    return _pool(name, source, "max pool", kernel=kernel, stride=stride, padding=padding, ceil=ceil)


def average_pool(
    name: str,
    source: Tensor,
    *,
    kernel: Extent,
    stride: Extent | None = None,
    padding: Extent = 0,
    ceil: bool = False,
) -> Layer:
    """Mean of each window; the stride is the kernel unless given.

    Raises:
        NetworkError: the window does not fit.
    """
    return _pool(name, source, "average pool", kernel=kernel, stride=stride, padding=padding, ceil=ceil)


def global_pool(name: str, source: Tensor) -> Layer:
    """Mean of each whole map or volume."""
    return _pool(name, source, "global pool", kernel=map_extents(name, source)[1:])


def _pool(
    name: str,
    source: Tensor,
    operation: str,
    *,
    kernel: Extent,
    stride: Extent | None = None,
    padding: Extent = 0,
    ceil: bool = False,
) -> Layer:
    channels, *extents = map_extents(name, source)
    step = kernel if stride is None else stride
    outputs = window_outputs(name, tuple(extents), kernel=kernel, stride=step, padding=padding, ceil=ceil)
    pixels = channels * prod(outputs)
    axes = len(extents)
    work = pixels * prod(spread(kernel, axes))
    places = pixels if operation == "max pool" else 0
    return Layer(
        name=name,
        kind="pooling",
        inputs=(source.name,),
        output_shape=(channels, *outputs),
        forward=(_operator(operation, work, reads=source.elements, writes=pixels, indices=places),),
        input_gradient=(
            _operator(
                f"{operation} gradient",
                work,
                reads=pixels,
                writes=source.elements,
                maps=source.elements + pixels if places else 0,
                indices=places,
            ),
        ),
        saved=_kept(operation, source, pixels),
        attributes={
            "operation": "maximum" if operation == "max pool" else "average",
            "kernel": spread(kernel, axes),
            "stride": spread(step, axes),
            "padding": spread(padding, axes),
            "ceil": int(ceil),
            "whole": int(operation == "global pool"),
        },
    )


def _kept(operation: str, source: Tensor, pixels: int) -> tuple[SavedActivation, ...]:
    """What the backward pass needs."""
    if operation == "max pool":
        return (
            SavedActivation(name="input", elements=source.elements),
            SavedActivation(name="output", elements=pixels, kept_by=KEEPS_MAPS),
            SavedActivation(name="indices", elements=pixels, element_size=INDEX, kept_by=KEEPS_INDICES),
        )
    if operation == "average pool":
        return (SavedActivation(name="input", elements=source.elements, kept_by=KEEPS_INDICES),)
    return ()


def _operator(name: str, work: int, *, reads: int, writes: int, maps: int = 0, indices: int = 0) -> Operator:
    return Operator(
        name=name,
        kind=OperatorKind.POOLING,
        flops=work,
        reads=reads,
        writes=writes,
        maps=maps,
        indices=indices,
    )
