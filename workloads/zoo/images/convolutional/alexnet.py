"""AlexNet, twice.

``alexnet`` is Krizhevsky, Sutskever, Hinton 2012 (NIPS), section 3.5 and fig. 2: convolutions 2, 4 and 5 in
two groups, response normalisation, 227 x 227 crops. ``alexnet-owt`` is the single-column network of
Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks" (arXiv:1404.5997), with
the 61,100,840 parameters of torchvision.
"""

from collections.abc import Callable

from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.dropout import dropout
from workloads.layers.images.compound import conv_relu, linear_relu
from workloads.layers.images.normalization import local_response_norm
from workloads.layers.images.pooling import max_pool
from workloads.layers.linear import linear
from workloads.network import Network


def build_alexnet() -> Network:
    """The grouped network of 2012."""
    draft = Draft((3, 227, 227))
    conv_relu(draft, "conv1", out_channels=96, kernel=11, stride=4)
    _norm_pool(draft, "1")
    conv_relu(draft, "conv2", out_channels=256, kernel=5, padding=2, groups=2)
    _norm_pool(draft, "2")
    conv_relu(draft, "conv3", out_channels=384, kernel=3, padding=1)
    conv_relu(draft, "conv4", out_channels=384, kernel=3, padding=1, groups=2)
    conv_relu(draft, "conv5", out_channels=256, kernel=3, padding=1, groups=2)
    draft.add(max_pool, "pool5", kernel=3, stride=2)
    for name in ("6", "7"):
        linear_relu(draft, f"fc{name}", out_features=4096)
        draft.add(dropout, f"drop{name}")
    return _classified("alexnet", draft, "Krizhevsky, Sutskever, Hinton 2012, NIPS, section 3.5")


def build_alexnet_owt() -> Network:
    """The ungrouped network of 2014."""
    draft = Draft((3, 224, 224))
    conv_relu(draft, "conv1", out_channels=64, kernel=11, stride=4, padding=2)
    draft.add(max_pool, "pool1", kernel=3, stride=2)
    conv_relu(draft, "conv2", out_channels=192, kernel=5, padding=2)
    draft.add(max_pool, "pool2", kernel=3, stride=2)
    for name, channels in (("conv3", 384), ("conv4", 256), ("conv5", 256)):
        conv_relu(draft, name, out_channels=channels, kernel=3, padding=1)
    draft.add(max_pool, "pool5", kernel=3, stride=2)
    for name in ("6", "7"):
        draft.add(dropout, f"drop{name}")
        linear_relu(draft, f"fc{name}", out_features=4096)
    return _classified("alexnet-owt", draft, "Krizhevsky 2014, arXiv:1404.5997")


def _norm_pool(draft: Draft, index: str) -> None:
    draft.add(local_response_norm, f"norm{index}")
    draft.add(max_pool, f"pool{index}", kernel=3, stride=2)


def _classified(name: str, draft: Draft, source: str) -> Network:
    draft.add(linear, "fc8", out_features=1000)
    draft.add(softmax, "loss")
    return build_image_network(name, draft.blocks(), source=source)


NETWORKS: dict[str, Callable[..., Network]] = {"alexnet": build_alexnet, "alexnet-owt": build_alexnet_owt}
