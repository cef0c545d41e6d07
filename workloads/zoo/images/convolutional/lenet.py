"""LeNet-5: LeCun et al. 1998, "Gradient-based learning applied to document recognition", fig. 2.

The second convolution reads all six maps (the paper's connection table kept 60 of 96 pairs), as every
framework builds it today: 61,706 parameters.
"""

from collections.abc import Callable

from workloads.layers.activation import tanh
from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.images.convolution import convolution
from workloads.layers.images.pooling import average_pool
from workloads.layers.linear import linear
from workloads.network import Network


def build_lenet5() -> Network:
    """LeNet-5 on 28 x 28 digits padded to 32 x 32."""
    draft = Draft((1, 28, 28))
    for name, channels, padding in (("1", 6, 2), ("2", 16, 0)):
        draft.add(convolution, f"conv{name}", out_channels=channels, kernel=5, padding=padding)
        draft.add(tanh, f"tanh{name}")
        draft.add(average_pool, f"pool{name}", kernel=2)
    for name, features in (("3", 120), ("4", 84)):
        draft.add(linear, f"fc{name}", out_features=features)
        draft.add(tanh, f"tanh{name}")
    draft.add(linear, "fc5", out_features=10)
    draft.add(softmax, "loss")
    return build_image_network(
        "lenet5", draft.blocks(), source="LeCun et al. 1998, Proc. IEEE 86(11), fig. 2"
    )


NETWORKS: dict[str, Callable[..., Network]] = {"lenet5": build_lenet5}
