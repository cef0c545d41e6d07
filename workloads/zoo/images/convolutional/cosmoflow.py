"""CosmoFlow: Mathuriya et al. 2018, arXiv:1808.04728, as MLPerf HPC trains it (Farrell et al. 2021).

Volumes of 128^3 voxels in four red shifts, five 3 x 3 x 3 convolutions with leaky ReLU, each followed by 2 x
2 x 2 maximum pooling, and three linear layers to four cosmological parameters (arXiv:2110.11466, section
III-A: 8.9 million parameters).
"""

from collections.abc import Callable

from workloads.layers.activation import activation
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.dropout import dropout
from workloads.layers.images.convolution import convolution
from workloads.layers.images.pooling import max_pool
from workloads.layers.linear import linear
from workloads.layers.regression import squared_error
from workloads.network import Network

SOURCE = "Farrell et al. 2021, arXiv:2110.11466, section III-A"
CHANNELS, WIDTHS, FEATURES, TARGETS = 4, (32, 64, 128, 256, 512), (128, 64), 4


def build_cosmoflow(*, image_size: int | None = None) -> Network:
    """CosmoFlow.

    Args:
        image_size: [voxels] of each axis; None for 128.

    Raises:
        NetworkError: the volume is too small.
    """
    size = 128 if image_size is None else image_size
    draft = Draft((CHANNELS, size, size, size))
    for level, width in enumerate(WIDTHS, start=1):
        draft.add(convolution, f"conv{level}", out_channels=width, kernel=3, padding=1)
        draft.add(activation, f"conv{level}_leaky_relu", function="leaky_relu")
        draft.add(max_pool, f"pool{level}", kernel=2)
    for number, features in enumerate(FEATURES, start=1):
        draft.add(linear, f"fc{number}", out_features=features)
        draft.add(activation, f"fc{number}_leaky_relu", function="leaky_relu")
        draft.add(dropout, f"drop{number}")
    draft.add(linear, "targets", out_features=TARGETS)
    draft.add(squared_error, "loss")
    return build_image_network("cosmoflow", draft.blocks(), source=SOURCE)


NETWORKS: dict[str, Callable[..., Network]] = {"cosmoflow": build_cosmoflow}
