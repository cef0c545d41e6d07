"""The builder of each kind of layer."""

from validation.reference_trainer.modules import (
    activation,
    attention,
    convolution,
    elementwise,
    embedding,
    experts,
    graph,
    linear,
    loss,
    normalization,
    orders,
    pooling,
    recurrent,
)
from validation.reference_trainer.modules.site import Builder

BUILDERS: dict[str, Builder] = {
    kind: builder
    for family in (
        activation,
        attention,
        convolution,
        elementwise,
        embedding,
        experts,
        graph,
        linear,
        loss,
        normalization,
        orders,
        pooling,
        recurrent,
    )
    for kind, builder in family.MODULES.items()
}
