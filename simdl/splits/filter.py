"""Filter parallelism, stationary-y: output and filters are divided by filter, the output stays.

    forward          y[F_r] = w[F_r] x                          all-gather of x over its C channels
    input gradient   dx = sum over ranks of w[F_r]^T dy[F_r]    reduce-scatter of dx
    weight gradient  dw[F_r] = dy[F_r] x^T                      all-gather of x, not kept since forward

(Dryden et al. 2019, "Channel and filter parallelism for large-scale CNN training", SC'19, section 3.)
"""

from simdl.communication import Group, Operation
from simdl.splits.layout import Layout
from simdl.splits.part import convolution_part
from simdl.splits.site import Divided, Message, Phase, Site, elements, local_samples


def divide(site: Site, ranks: int, grid: tuple[int, ...]) -> Divided:
    """The convolution with ``1 / grid[0]`` of its filters."""
    degree = grid[0]
    layout = Layout(ranks // degree, channel=degree)
    samples = local_samples(site.batch, layout)
    inputs = elements(site.shapes[0]) * samples
    group = Group(size=degree)
    gather = Phase(before=(Message(Operation.ALL_GATHER, inputs, group),))
    scatter = Phase(after=(Message(Operation.REDUCE_SCATTER, inputs, group),))
    return Divided(
        layer=convolution_part(site.layer, 1 / degree, filters=degree),
        samples=samples,
        source=layout,
        output=layout,
        forward=gather,
        input_gradient=scatter if site.layer.input_gradient else Phase(),
        weight_gradient=gather,
        replicas=Group(size=ranks // degree, stride=degree),
        gathered=inputs,
    )
