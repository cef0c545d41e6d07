"""The builder of each kind of layer."""

from validation.reference_trainer.modules import (
    activation,
    attention,
    convolution,
    elementwise,
    embedding,
    linear,
    loss,
    normalization,
    orders,
    pooling,
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
        linear,
        loss,
        normalization,
        orders,
        pooling,
    )
    for kind, builder in family.MODULES.items()
}
