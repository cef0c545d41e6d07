"""Fully connected layer divided by output: every rank reads the whole input of its group's samples.

    forward          y[F_r] = x w[:, F_r]                       nothing
    input gradient   dx = sum over ranks of dy[F_r] w[:, F_r]^T  all-reduce of dx, beside the weight gradient
    weight gradient  dw[:, F_r] = x^T dy[F_r]                   nothing

Model parallelism of Krizhevsky 2014 ("One weird trick", section 3) where the group is all ranks; f of
Shoeybi et al. 2019.
"""

from simdl.communication import Group, Operation
from simdl.splits.layout import Layout
from simdl.splits.part import linear_part
from simdl.splits.site import Divided, Message, Phase, Site, elements, local_samples


def divide(site: Site, ranks: int, grid: tuple[int, ...]) -> Divided:
    """The layer with ``1 / grid[0]`` of its outputs."""
    degree = grid[0]
    source = Layout(ranks // degree, copies=degree)
    samples = local_samples(site.batch, source)
    reduce = Message(Operation.ALL_REDUCE, elements(site.shapes[0]) * samples, Group(size=degree))
    return Divided(
        layer=linear_part(site.layer, 1.0, outputs=degree),
        samples=samples,
        source=source,
        output=Layout(ranks // degree, channel=degree),
        input_gradient=Phase(after=(reduce,)) if site.layer.input_gradient else Phase(),
        replicas=Group(size=ranks // degree, stride=degree),
    )
