"""Fully connected layer divided by input: every rank ends with the whole output of its group's samples.

    forward          y = sum over ranks of x[C_r] w[C_r]   all-reduce of y
    input gradient   dx[C_r] = dy w[C_r]^T                 nothing
    weight gradient  dw[C_r] = x[C_r]^T dy                 nothing

g of Shoeybi et al. 2019; behind a column split it needs no change of layout.
"""

from simdl.communication import Group, Operation
from simdl.splits.layout import Layout
from simdl.splits.part import linear_part
from simdl.splits.site import Divided, Message, Phase, Site, elements, local_samples


def divide(site: Site, ranks: int, grid: tuple[int, ...]) -> Divided:
    """The layer with ``1 / grid[0]`` of its inputs."""
    degree = grid[0]
    source = Layout(ranks // degree, channel=degree)
    samples = local_samples(site.batch, source)
    reduce = Message(Operation.ALL_REDUCE, elements(site.layer.output_shape) * samples, Group(size=degree))
    return Divided(
        layer=linear_part(site.layer, 1 / degree, inputs=degree),
        samples=samples,
        source=source,
        output=Layout(ranks // degree, copies=degree),
        forward=Phase(after=(reduce,)),
        replicas=Group(size=ranks // degree, stride=degree),
    )
