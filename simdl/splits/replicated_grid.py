"""Fully connected layer on c copies of a q x q grid (the 2.5D algorithm of Solomonik and Demmel 2011).

Each of the c layers of the grid holds all blocks of x and w and carries out q / c of Cannon's steps; the
results are added up over the layers, so that p = q^2 c ranks send 2 n^2 / sqrt(c p) elements of operands:

    forward          x along rows, w along columns, then an all-reduce of y over the layers
    input gradient   w along columns, dx along rows, then an all-reduce of dx over the layers
    weight gradient  x along rows, dw along columns, then an all-reduce of dw over the layers

Operands stay where they are between steps of training, so that none is broadcast: memory pays for them
c times.
"""

from dataclasses import replace

from simdl.communication import Group, Operation
from simdl.splits.layout import Layout
from simdl.splits.part import ceil_part, linear_part
from simdl.splits.site import Divided, Message, Phase, Site, elements, local_samples


def divide(site: Site, ranks: int, grid: tuple[int, ...]) -> Divided:
    """The layer on ``grid[2]`` copies of a grid of ``grid[0]`` rows and as many columns of ranks."""
    side, copies, layer = grid[0], grid[2], site.layer
    layout = Layout(ranks // (side * copies), channel=side, copies=copies)
    samples = local_samples(site.batch, layout)
    inputs = elements(site.shapes[0]) * samples / side
    outputs = elements(layer.output_shape) * samples / side
    weights = elements(site.shapes[0]) * elements(layer.output_shape) / side**2
    steps, over = side // copies, Group(size=copies, stride=side)
    x = (Message(None, inputs, Group(size=side)),) * steps
    w = (Message(None, weights, Group(size=side, stride=side * copies), parameters=True),) * steps
    sum_y = Message(Operation.ALL_REDUCE, outputs, over)
    sum_dx = Message(Operation.ALL_REDUCE, inputs, over)
    sum_dw = Message(Operation.ALL_REDUCE, weights, over, parameters=True)
    beside = 1 - 1 / steps
    part = linear_part(layer, 1 / side, inputs=copies, outputs=side)
    backward = Phase(before=w, interior=beside, after=(*x, sum_dx))
    return Divided(
        layer=replace(part, parameters=ceil_part(layer.parameters, side**2)),
        samples=samples,
        source=layout,
        output=layout,
        forward=Phase(before=(*x, *w), interior=beside, after=(sum_y,)),
        input_gradient=backward if layer.input_gradient else Phase(),
        weight_gradient=Phase(before=x, interior=beside, after=(*w, sum_dw)),
        replicas=Group(size=ranks // (side**2 * copies), stride=side**2 * copies),
        gathered=inputs + weights,
    )
