"""Fully connected layer on a square q x q grid whose blocks travel from neighbour to neighbour (Cannon 1969).

Samples are divided over rows, features over columns, and the weights over both, as by SUMMA. Blocks are
aligned once and then shifted q - 1 times; in between every rank multiplies the two blocks that it holds:

    forward          y[i, j] = sum_k x[i, k] w[k, j]      x travels along rows, w along columns
    input gradient   dx[i, k] = sum_j dy[i, j] w[k, j]^T  w travels along columns, dx along rows
    weight gradient  dw[k, j] = sum_i x[i, k]^T dy[i, j]  x travels along rows, dw along columns

With n^2 elements each, a rank sends 2 n^2 / sqrt(p) of them and holds no more than two blocks of each, where
SUMMA holds a row and a column of blocks. Operands travel beside the products but for the last; sums do not.
The q products of a rank are priced as the one that they make up.
"""

from dataclasses import replace

from simdl.communication import Group
from simdl.splits.layout import Layout
from simdl.splits.part import ceil_part, linear_part
from simdl.splits.site import Divided, Message, Phase, Site, elements, local_samples


def divide(site: Site, ranks: int, grid: tuple[int, ...]) -> Divided:
    """The layer on ``grid[0]`` rows and as many columns of ranks."""
    side, layer = grid[0], site.layer
    layout = Layout(ranks // side, channel=side)
    samples = local_samples(site.batch, layout)
    inputs = elements(site.shapes[0]) * samples / side
    weights = elements(site.shapes[0]) * elements(layer.output_shape) / side**2
    x = (Message(None, inputs, Group(size=side)),) * side
    w = (Message(None, weights, Group(size=side, stride=side), parameters=True),) * side
    beside = 1 - 1 / side
    part = linear_part(layer, 1 / side, outputs=side)
    return Divided(
        layer=replace(part, parameters=ceil_part(layer.parameters, side**2)),
        samples=samples,
        source=layout,
        output=layout,
        forward=Phase(before=(*x, *w), interior=beside),
        input_gradient=Phase(before=w, interior=beside, after=x) if layer.input_gradient else Phase(),
        weight_gradient=Phase(before=x, interior=beside, after=w),
        replicas=Group(size=ranks // side**2, stride=side**2),
        gathered=inputs + weights,
    )
