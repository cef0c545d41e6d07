"""The two networks on digits of the pruning and compression papers: LeNet-300-100 and Caffe's LeNet-5.

LeNet-300-100 has two hidden layers of 300 and 100 units (LeCun et al. 1998, Proc. IEEE 86(11), section
III.C.4), 266,610 parameters. Caffe's LeNet-5 has wider layers than the paper's and rectified units
(BVLC/caffe, ``examples/mnist/lenet_train_test.prototxt``), 431,080 parameters. Both as in Han, Mao and Dally
2016, arXiv:1510.00149, tables 2 and 3.
"""

from collections.abc import Callable

from workloads.layers.activation import relu
from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.images.convolution import convolution
from workloads.layers.images.pooling import max_pool
from workloads.layers.linear import linear
from workloads.network import Network


def build_lenet_300_100() -> Network:
    """LeNet-300-100 on 28 x 28 digits."""
    draft = Draft((1, 28, 28))
    for name, features in (("1", 300), ("2", 100)):
        draft.add(linear, f"ip{name}", out_features=features)
        draft.add(relu, f"relu{name}")
    draft.add(linear, "ip3", out_features=10)
    draft.add(softmax, "loss")
    return build_image_network(
        "lenet-300-100", draft.blocks(), source="LeCun et al. 1998, Proc. IEEE 86(11), section III.C.4"
    )


def build_lenet5_caffe() -> Network:
    """Caffe's LeNet-5 on 28 x 28 digits."""
    draft = Draft((1, 28, 28))
    for name, channels in (("1", 20), ("2", 50)):
        draft.add(convolution, f"conv{name}", out_channels=channels, kernel=5)
        draft.add(max_pool, f"pool{name}", kernel=2)
    draft.add(linear, "ip1", out_features=500)
    draft.add(relu, "relu1")
    draft.add(linear, "ip2", out_features=10)
    draft.add(softmax, "loss")
    return build_image_network(
        "lenet5-caffe", draft.blocks(), source="BVLC/caffe, examples/mnist/lenet_train_test.prototxt"
    )


NETWORKS: dict[str, Callable[..., Network]] = {
    "lenet-300-100": build_lenet_300_100,
    "lenet5-caffe": build_lenet5_caffe,
}
