"""Channel and filter parallelism, stationary-w: filters are divided over an a x b grid and stay.

Rank (i, j) holds w[F_j, C_i] with a blocks of channels and b of filters; x and y are divided by channel
over all a b ranks.

    forward          y[F_j] = sum_i w[F_j, C_i] x[C_i]     all-gather of x over b, reduce-scatter of y over a
    input gradient   dx[C_i] = sum_j w[F_j, C_i]^T dy[F_j] all-gather of dy over a, reduce-scatter over b
    weight gradient  dw[F_j, C_i] = dy[F_j] x[C_i]^T       all-gather of x over b, dy as gathered

(Dryden et al. 2019, "Channel and filter parallelism for large-scale CNN training", SC'19, section 3.) With
a = 1 it is stationary-y, with b = 1 stationary-x.
"""

from simdl.communication import Group, Operation
from simdl.splits.layout import Layout
from simdl.splits.part import convolution_part
from simdl.splits.site import Divided, Message, Phase, Site, elements, local_samples


def divide(site: Site, ranks: int, grid: tuple[int, ...]) -> Divided:
    """The convolution with ``1 / grid[0]`` of its channels and ``1 / grid[1]`` of its filters."""
    a, b = grid
    layer = site.layer
    layout = Layout(ranks // (a * b), channel=a * b)
    samples = local_samples(site.batch, layout)
    inputs = elements(site.shapes[0]) * samples / a
    outputs = elements(layer.output_shape) * samples / b
    row, column = Group(size=b), Group(size=a, stride=b)
    gather_x = Message(Operation.ALL_GATHER, inputs, row)
    gather_dy = Message(Operation.ALL_GATHER, outputs, column)
    has_gradient = bool(layer.input_gradient)
    return Divided(
        layer=convolution_part(layer, 1 / (a * b), channels=a, filters=b),
        samples=samples,
        source=layout,
        output=layout,
        forward=Phase(before=(gather_x,), after=(Message(Operation.REDUCE_SCATTER, outputs, column),)),
        input_gradient=Phase(before=(gather_dy,), after=(Message(Operation.REDUCE_SCATTER, inputs, row),))
        if has_gradient
        else Phase(),
        weight_gradient=Phase(before=(gather_x,) if has_gradient else (gather_x, gather_dy)),
        replicas=Group(size=ranks // (a * b), stride=a * b),
        gathered=inputs + outputs,
    )
