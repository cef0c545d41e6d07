"""Channel parallelism, stationary-x: input and filters are divided by input channel, the input stays.

    forward          y = sum over ranks of w[:, C_r] x[C_r]     reduce-scatter of y over its F filters
    input gradient   dx[C_r] = w[:, C_r]^T dy                   all-gather of dy
    weight gradient  dw[:, C_r] = dy x[C_r]^T                   dy as gathered

(Dryden et al. 2019, "Channel and filter parallelism for large-scale CNN training", SC'19, section 3.)
Element-wise layers and pooling work on their channels and send nothing; so does batch normalisation. So do
convolutions in groups, of which every rank has some whole ones, with their filters.
"""

from simdl.communication import Group, Operation
from simdl.splits.layout import Layout
from simdl.splits.part import convolution_part, grouped_part, groups_of, share_layer
from simdl.splits.site import Divided, Message, Phase, Site, elements, local_samples


def divide(site: Site, ranks: int, grid: tuple[int, ...]) -> Divided:
    """The layer on ``1 / grid[0]`` of its input channels."""
    degree, layer = grid[0], site.layer
    layout = Layout(ranks // degree, channel=degree)
    samples = local_samples(site.batch, layout)
    replicas = Group(size=ranks // degree, stride=degree)
    if layer.kind != "convolution":
        part = share_layer(layer, 1 / degree, weights=1 / degree)
        return Divided(layer=part, samples=samples, source=layout, output=layout, replicas=replicas)
    if groups_of(layer) > 1:
        part = grouped_part(layer, degree)
        return Divided(layer=part, samples=samples, source=layout, output=layout, replicas=replicas)
    outputs = elements(layer.output_shape) * samples
    gather = Phase(before=(Message(Operation.ALL_GATHER, outputs, Group(size=degree)),))
    return Divided(
        layer=convolution_part(layer, 1 / degree, channels=degree),
        samples=samples,
        source=layout,
        output=layout,
        forward=Phase(after=(Message(Operation.REDUCE_SCATTER, outputs, Group(size=degree)),)),
        input_gradient=gather if layer.input_gradient else Phase(),
        weight_gradient=Phase() if layer.input_gradient else gather,
        replicas=replicas,
        gathered=outputs,
    )
