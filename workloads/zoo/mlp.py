"""Multilayer perceptron on digits, the plainest network that is all matrix products.

784-1024-1024-1024-10 with rectified units: three hidden layers of 1024 units, as in table 2 of Srivastava et
al. 2014 ("Dropout: a simple way to prevent neural networks from overfitting", JMLR 15), without the dropout.
"""

from collections.abc import Callable

from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.images.compound import linear_relu
from workloads.layers.linear import linear
from workloads.network import Network

HIDDEN = (1024, 1024, 1024)


def build_mlp() -> Network:
    """The perceptron on 28 x 28 digits."""
    draft = Draft((1, 28, 28))
    for index, features in enumerate(HIDDEN, start=1):
        linear_relu(draft, f"fc{index}", out_features=features)
    draft.add(linear, f"fc{len(HIDDEN) + 1}", out_features=10)
    draft.add(softmax, "loss")
    return build_image_network("mlp", draft.blocks(), source="Srivastava et al. 2014, JMLR 15, table 2")


NETWORKS: dict[str, Callable[..., Network]] = {"mlp": build_mlp}
