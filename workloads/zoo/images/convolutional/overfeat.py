"""OverFeat, fast model: Sermanet et al. 2013, arXiv:1312.6229, table 1 (231 x 231 crops)."""

from collections.abc import Callable

from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.dropout import dropout
from workloads.layers.images.compound import conv_relu, linear_relu
from workloads.layers.images.pooling import max_pool
from workloads.layers.linear import linear
from workloads.network import Network


def build_overfeat() -> Network:
    """The fast model."""
    draft = Draft((3, 231, 231))
    conv_relu(draft, "conv1", out_channels=96, kernel=11, stride=4)
    draft.add(max_pool, "pool1", kernel=2)
    conv_relu(draft, "conv2", out_channels=256, kernel=5)
    draft.add(max_pool, "pool2", kernel=2)
    for name, channels in (("conv3", 512), ("conv4", 1024), ("conv5", 1024)):
        conv_relu(draft, name, out_channels=channels, kernel=3, padding=1)
    draft.add(max_pool, "pool5", kernel=2)
    for name, features in (("6", 3072), ("7", 4096)):
        linear_relu(draft, f"fc{name}", out_features=features)
        draft.add(dropout, f"drop{name}")
    draft.add(linear, "fc8", out_features=1000)
    draft.add(softmax, "loss")
    return build_image_network(
        "overfeat", draft.blocks(), source="Sermanet et al. 2013, arXiv:1312.6229, table 1"
    )


NETWORKS: dict[str, Callable[..., Network]] = {"overfeat": build_overfeat}
