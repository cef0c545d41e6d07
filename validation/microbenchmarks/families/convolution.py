"""Convolutions of AlexNet, VGG-16, ResNet-18 and ResNet-50, and thin ones: every pass, algorithm and batch.

The rows of the networks make the tables that `simdl microbatch --table` reads. Thin convolutions, of fewer
input channels than a vector has lanes, are kernels of their own in every library and hardly occur in those
networks; theirs are of the sizes that networks for small images have.
"""

from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache

from validation.microbenchmarks.case import Case
from validation.microbenchmarks.scope import Scope
from workloads.layer import Layer
from workloads.operators import ConvolutionShape, Pass
from workloads.registry import load_network

TABLES = ("alexnet", "vgg16", "resnet18", "resnet50")
"""Networks whose convolutions get a table."""

THIN = (
    (1, 6, 28, 5),
    (1, 8, 28, 5),
    (1, 16, 28, 3),
    (1, 32, 28, 3),
    (3, 16, 32, 3),
    (3, 6, 32, 3),
    (3, 32, 64, 5),
    (4, 32, 32, 3),
    (6, 16, 14, 5),
    (8, 8, 28, 3),
    (8, 32, 14, 5),
    (10, 20, 14, 5),
    (12, 24, 28, 3),
)
"""(input channels, output channels, pixels on a side, taps on a side), stride one."""

BARE = (
    (1, 16, 28, 5),
    (1, 32, 28, 3),
    (3, 16, 32, 5),
    (4, 16, 16, 5),
    (8, 32, 14, 5),
    (10, 20, 12, 5),
    (12, 24, 14, 3),
)
"""The same without padding: only where fewer pixels are written than read can the seconds of both be told
apart."""

BATCHES = {"cpu": (1, 2, 4, 8, 16, 64), "cuda": (1, 2, 4, 8, 16, 32, 64, 128, 256)}
QUICK_BATCHES = {"cpu": (2, 8, 64, 256), "cuda": (8, 32, 128)}
"""A quick run takes the smallest and the largest batch that fits, from which latency and pace are told apart,
and all algorithms on the smallest batch of every third shape only.

Tables are of one process in the first dtype; of all others these two batches are measured."""


def convolution_cases(scope: Scope) -> Iterator[Case]:
    """Every distinct convolution; a shape is held out with all its batches."""
    batches = (QUICK_BATCHES if scope.quick else BATCHES)[scope.facts.kind]
    for dtype in scope.offer.dtypes:
        for index, (shape, passes) in enumerate(distinct_convolutions()):
            fitting = [batch for batch in batches if _fits(shape, batch, scope)] or [1]
            single = scope.quick and (index % 3 > 0 or scope.processes > 1)
            algorithms = scope.offer.algorithms[: 1 if single else None]
            tabled = dtype == scope.offer.dtypes[0] and scope.processes == 1 and not scope.quick
            for batch in fitting if tabled else dict.fromkeys((fitting[0], fitting[-1])):
                slow = scope.quick and batch != fitting[0]
                for which in passes:
                    for algorithm in algorithms[: 1 if slow else None]:
                        yield _case(shape, batch, which, algorithm, dtype, held_out=index % 3 == 1)


@lru_cache(maxsize=1)
def distinct_convolutions() -> tuple[tuple[ConvolutionShape, tuple[Pass, ...]], ...]:
    """Shapes with the passes they need, each once: those of the networks in order, then the thin ones."""
    found: dict[ConvolutionShape, dict[Pass, None]] = {}
    for name in TABLES:
        for _, layer in load_network(name).layers():
            shape = convolution_shape(layer)
            if shape is not None:
                needed = [which for which in Pass if _runs(layer, which)]
                found.setdefault(shape, {}).update(dict.fromkeys(needed))
    thin = [
        *(thin_shape(*extents) for extents in THIN),
        *(thin_shape(*extents, bare=True) for extents in BARE),
    ]
    return (
        *((shape, tuple(passes)) for shape, passes in found.items()),
        *((shape, tuple(Pass)) for shape in thin),
    )


def thin_shape(
    channels: int, filters: int, pixels: int, taps: int, *, bare: bool = False
) -> ConvolutionShape:
    """A convolution of stride one whose output has the input's extent, or is ``bare`` of padding."""
    written = pixels - taps + 1 if bare else pixels
    return ConvolutionShape(
        in_channels=channels,
        out_channels=filters,
        in_height=pixels,
        in_width=pixels,
        out_height=written,
        out_width=written,
        kernel_height=taps,
        kernel_width=taps,
    )


def convolution_shape(layer: Layer) -> ConvolutionShape | None:
    """Shape of a layer's convolution; None for every other layer."""
    shapes = (operator.shape for operator in layer.forward)
    return next((shape for shape in shapes if isinstance(shape, ConvolutionShape)), None)


def convolution_dims(shape: ConvolutionShape, batch: int) -> dict[str, int]:
    """Dims of a case; those of volumes only where there is one."""
    dims = {"batch": batch, **asdict(shape)}
    flat = dict.fromkeys(("in_depth", "out_depth", "kernel_depth", "stride_depth"), 1)
    return {name: extent for name, extent in dims.items() if extent != flat.get(name)}


def _runs(layer: Layer, which: Pass) -> bool:
    return any(isinstance(operator.shape, ConvolutionShape) for operator in layer.operators(which))


def _flops(shape: ConvolutionShape) -> float:
    return 2.0 * shape.outputs * shape.filters


def _elements(shape: ConvolutionShape, batch: int) -> int:
    maps = shape.in_channels * shape.inputs + shape.out_channels * shape.outputs
    return batch * maps + shape.filters


def _fits(shape: ConvolutionShape, batch: int, scope: Scope) -> bool:
    small = batch * _flops(shape) <= scope.flops
    return small and 4 * _elements(shape, batch) <= scope.memory


def _case(
    shape: ConvolutionShape, batch: int, which: Pass, algorithm: str, dtype: str, *, held_out: bool
) -> Case:
    size = 2 if dtype in {"bf16", "fp16"} else 4
    return Case(
        family="convolution",
        kernel=f"convolution/{which.value}",
        dims=convolution_dims(shape, batch),
        dtype=dtype,
        algorithm=algorithm,
        flops=batch * _flops(shape),
        nbytes=float(size * _elements(shape, batch)),
        held_out=held_out,
    )
