"""Fully connected layer on a two-dimensional r x c grid (SUMMA: van de Geijn and Watts 1997).

Samples are divided over rows, features over columns, and the weights over both: rank (i, j) holds x[N_i,
C_j], w[C_i, F_j] and y[N_i, F_j].

    forward          y[i, j] = sum_k x[i, k] w[k, j]      x along rows, w along columns
    input gradient   dx[i, k] = sum_j dy[i, j] w[k, j]^T  w along columns, dx summed along rows
    weight gradient  dw[k, j] = sum_i x[i, k]^T dy[i, j]  x along rows, dw summed along columns

The broadcasts of all panels together move what an all-gather moves, the sums what a reduce-scatter moves.
"""

from dataclasses import replace

from simdl.communication import Group, Operation
from simdl.splits.layout import Layout
from simdl.splits.part import ceil_part, linear_part
from simdl.splits.site import Divided, Message, Phase, Site, elements, local_samples


def divide(site: Site, ranks: int, grid: tuple[int, ...]) -> Divided:
    """The layer on ``grid[0]`` rows and ``grid[1]`` columns of ranks."""
    rows, columns = grid
    layer = site.layer
    layout = Layout(ranks // columns, channel=columns)
    samples = local_samples(site.batch, layout)
    inputs = float(elements(site.shapes[0]) * samples)
    weights = elements(site.shapes[0]) * elements(layer.output_shape) / columns
    along_row, along_column = Group(size=columns), Group(size=rows, stride=columns)
    x = Message(Operation.ALL_GATHER, inputs, along_row)
    w = Message(Operation.ALL_GATHER, weights, along_column, parameters=True)
    dx = Message(Operation.REDUCE_SCATTER, inputs, along_row)
    dw = Message(Operation.REDUCE_SCATTER, weights, along_column, parameters=True)
    part = linear_part(layer, 1 / columns, outputs=columns)
    return Divided(
        layer=replace(part, parameters=ceil_part(layer.parameters, rows * columns)),
        samples=samples,
        source=layout,
        output=layout,
        forward=Phase(before=(x, w)),
        input_gradient=Phase(before=(w,), after=(dx,)) if layer.input_gradient else Phase(),
        weight_gradient=Phase(before=(x,), after=(dw,)),
        replicas=Group(size=ranks // (rows * columns), stride=rows * columns),
        gathered=inputs + weights,
    )
