"""Fully connected layer on an r x s x t grid of its three extents (COSMA: Kwasniewski et al. 2019).

Samples are divided over r, output features over s and input features over t. Nothing is held twice: x and y
are divided over the s t ranks of the same samples, w over all:

    forward          x gathered over s, w over r; y added up and scattered over t
    input gradient   dy gathered over t, w over r; dx added up and scattered over s
    weight gradient  x gathered over s; dw added up and scattered over r

A rank receives (s - 1) / s of N C / (r t), (r - 1) / r of C F / (s t) and (t - 1) / t of N F / (r s)
elements; on a cube of p ranks and equal extents n that is the least possible, 3 n^2 / p^(2/3), less what it
holds itself. Which extent is divided over which side is the planner's choice. The parts of y stand in another
order than those of x; the next layer numbers its ranks by them.
"""

from dataclasses import replace

from simdl.communication import Group, Operation
from simdl.splits.layout import Layout
from simdl.splits.part import ceil_part, linear_part
from simdl.splits.site import Divided, Message, Phase, Site, elements, local_samples


def divide(site: Site, ranks: int, grid: tuple[int, ...]) -> Divided:
    """The layer on ``grid``: parts of the samples, of the outputs and of the inputs."""
    rows, columns, depth = grid
    layer, whole = site.layer, rows * columns * depth
    layout = Layout(ranks // (columns * depth), channel=columns * depth)
    samples = local_samples(site.batch, layout)
    features = elements(site.shapes[0]) / depth, elements(layer.output_shape) / columns
    inputs, outputs, weights = samples * features[0], samples * features[1], features[0] * features[1]
    across, along = Group(size=columns), Group(size=depth, stride=columns)
    down = Group(size=rows, stride=columns * depth)
    x = Message(Operation.ALL_GATHER, inputs, across)
    w = Message(Operation.ALL_GATHER, weights, down, parameters=True)
    dy = Message(Operation.ALL_GATHER, outputs, along)
    backward = Phase(before=(dy, w), after=(replace(x, operation=Operation.REDUCE_SCATTER),))
    part = linear_part(layer, 1 / (columns * depth), inputs=depth, outputs=columns)
    return Divided(
        layer=replace(part, parameters=ceil_part(layer.parameters, whole)),
        samples=samples,
        source=layout,
        output=layout,
        forward=Phase(before=(x, w), after=(replace(dy, operation=Operation.REDUCE_SCATTER),)),
        input_gradient=backward if layer.input_gradient else Phase(),
        weight_gradient=Phase(
            before=(x,) if layer.input_gradient else (x, dy),
            after=(replace(w, operation=Operation.REDUCE_SCATTER),),
        ),
        replicas=Group(size=ranks // whole, stride=whole),
        gathered=inputs + weights + outputs,
    )
