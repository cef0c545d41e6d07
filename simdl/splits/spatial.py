"""Spatial parallelism: every rank works on a block of rows and columns of every image.

The product of the interior runs beside the halo exchange, that of the boundary after it. The input gradient
needs the halo of the output gradient; the weight gradient reuses the input's. Filters are replicated, so
their gradient is added up over all ranks. Batch normalisation adds its sums over the parts of an image.

The rank that owns a window across a boundary can pull its pixels, K - S rows of input; or each rank pushes
what its own pixels make of it (the greatest, or their sum), ceil((K - S) / S) rows of the output, which the
owner combines. For pooling both give the same; the one that sends less is taken.
(Dryden et al. 2019, "Improving strong-scaling of CNN training by exploiting finer-grained parallelism",
IPDPS, sections III-A and V.)
"""

from simdl.communication import Group, Operation
from simdl.splits.halo import Edge, halo_messages, interior
from simdl.splits.layout import Layout
from simdl.splits.part import ceil_part, convolution_part, share_layer
from simdl.splits.site import Divided, Message, Phase, Site, elements, local_samples
from simdl.splits.window import Extents, window_of
from workloads.layer import Layer

SUMS = 2  # per channel: of the elements and of their squares, or of the gradient and of its product with them


def divide(site: Site, ranks: int, grid: tuple[int, ...]) -> Divided:
    """The layer on ``grid[0]`` x ``grid[1]`` blocks of each image."""
    blocks = grid[0], grid[1]
    parts = grid[0] * grid[1]
    layout = Layout(ranks // parts, height=grid[0], width=grid[1])
    samples = local_samples(site.batch, layout)
    window = window_of(site)
    if window is None:
        forward = gradient = Phase(before=_statistics(site.layer, parts))
    else:
        forward = _exchange(site.shapes[0], blocks, window.reach, samples)
        gradient = _exchange(site.layer.output_shape, blocks, window.gradient_reach, samples)
        if site.layer.kind == "pooling" and _sent(gradient) < _sent(forward):
            forward = gradient  # partial results of the windows whose gradients come back
    return Divided(
        layer=_part(site.layer, blocks),
        samples=samples,
        source=layout,
        output=layout,
        forward=forward,
        input_gradient=gradient,
        replicas=Group(size=ranks),
    )


def _part(layer: Layer, grid: Extents) -> Layer:
    share = 1 / (grid[0] * grid[1])
    if layer.kind == "convolution":
        return convolution_part(layer, share, height=grid[0], width=grid[1])
    return share_layer(layer, share)


def _exchange(shape: tuple[int, ...], grid: Extents, reach: Extents, samples: int) -> Phase:
    """The halo of a (channels, [depth,] height, width) tensor, and what runs beside it."""
    *planes, height, width = shape
    rows = Edge(extent=ceil_part(height, grid[0]), reach=reach[0], parts=grid[0], stride=grid[1])
    columns = Edge(extent=ceil_part(width, grid[1]), reach=reach[1], parts=grid[1], stride=1)
    return Phase(
        before=tuple(halo_messages(rows, columns, float(elements(planes) * samples))),
        interior=interior(rows, columns),
    )


def _sent(phase: Phase) -> float:
    """Elements that one rank sends."""
    return sum(message.elements for message in phase.before)


def _statistics(layer: Layer, parts: int) -> tuple[Message, ...]:
    if layer.kind != "normalization":
        return ()
    group = Group(size=parts)
    return (Message(Operation.ALL_REDUCE, SUMS * layer.output_shape[0], group, parameters=True),)
