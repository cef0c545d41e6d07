"""Convolutional networks against published totals."""

import pytest

from workloads.operators import OperatorKind
from workloads.registry import load_network

PRODUCTS = {OperatorKind.MATMUL, OperatorKind.CONVOLUTION}


def _products(name):
    network = load_network(name)
    return [o for _, layer in network.layers() for o in layer.forward if o.kind in PRODUCTS]


def _macs(name):
    return sum(operator.flops for operator in _products(name)) / 2


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("lenet5", 61_706),  # 156 + 2,416 + 48,120 + 10,164 + 850
        ("mlp", 2_913_290),  # 784 x 1024, 1024 x 1024 twice, 1024 x 10, and biases
        ("alexnet", 60_965_224),  # bvlc_alexnet, Caffe model zoo
        ("googlenet", 6_998_552),  # bvlc_googlenet without its auxiliary classifiers
        # torchvision model documentation
        ("alexnet-owt", 61_100_840),
        ("vgg11", 132_863_336),
        ("vgg13", 133_047_848),
        ("vgg16", 138_357_544),
        ("vgg19", 143_667_240),
        ("googlenet-bn", 6_624_904),
        ("inception-v3", 23_834_568),
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet50-v1.5", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
        ("densenet121", 7_978_856),
    ],
)
def test_parameters(name, parameters):
    """Totals of Caffe's model zoo and of torchvision's model documentation, and sums by hand; each line's
    comment says which.
    """
    assert load_network(name).parameters == parameters


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "weights", "weight_unit", "macs", "mac_unit"),
    [
        ("alexnet", 61, 1e6, 724, 1e6),
        ("vgg16", 138, 1e6, 155, 1e8),
        ("vgg19", 144, 1e6, 196, 1e8),
        ("googlenet-ceil", 70, 1e5, 158, 1e7),
        ("resnet50", 255, 1e5, 386, 1e7),
        ("resnet101", 444, 1e5, 757, 1e7),
        ("resnet152", 60, 1e6, 113, 1e8),
    ],
)
def test_weights_and_macs_round_to_a_printed_table(name, weights, weight_unit, macs, mac_unit):
    """README.md of KamelAbdelouahab/CNN-Workload, table under Results, rows "Total workload (MACs)" and
    "Total parameters": within a unit of the last digit, of which some are cut rather than rounded.
    """
    assert sum(operator.weights for operator in _products(name)) / weight_unit == pytest.approx(
        weights, abs=1
    )
    assert _macs(name) / mac_unit == pytest.approx(macs, abs=1)


@pytest.mark.published
def test_lenet5_has_the_parameters_and_connections_of_its_paper():
    """LeCun et al. 1998, section II-B: trainable parameters and connections of layers C1, C5 and F6.

    Its third layer reads some of the maps there, 1,516 parameters, and all of them here (2,416). The 840
    connections are those of ten outputs to 84 numbers.
    """
    maps, pixels = 6, 28 * 28
    convolved, _, *connected = _products("lenet5")
    parameters = [layer.parameters for _, layer in load_network("lenet5").layers() if layer.parameters]
    assert parameters[0] == 156
    assert convolved.flops / 2 + maps * pixels == 122_304
    assert parameters[2:4] == [48_120, 10_164]
    assert [operator.weights for operator in connected] == [48_120 - 120, 10_164 - 84, 840]


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "gigamacs"),
    [
        # torchvision model documentation, GFLOPS column (multiply-adds)
        ("alexnet-owt", 0.71),
        ("vgg11", 7.61),
        ("vgg13", 11.31),
        ("vgg19", 19.63),
        ("googlenet-bn", 1.5),
        ("inception-v3", 5.71),
        ("resnet18", 1.81),
        ("resnet34", 3.66),
        ("resnet50-v1.5", 4.09),
        ("resnet101-v1.5", 7.8),
        ("resnet152-v1.5", 11.51),
        ("densenet121", 2.83),
    ],
)
def test_macs_round_to_torchvision(name, gigamacs):
    assert _macs(name) / 1e9 == pytest.approx(gigamacs, abs=0.0051)


@pytest.mark.published
@pytest.mark.parametrize(("name", "gigamacs"), [("resnet18", 1.8), ("resnet50", 3.8), ("resnet152", 11.3)])
def test_resnet_macs_match_the_paper(name, gigamacs):
    """He et al. 2015, table 1, last row (ResNet-50 is printed as 3.8, the survey rounds it to 3.9)."""
    assert _macs(name) / 1e9 == pytest.approx(gigamacs, abs=0.06)


# VGG-16, one image in 4-byte floats: output of every convolution and pooling [MiB], weights of every fully
# connected layer [MiB], from table 1, column D (maps of 224 pixels, halved by each pooling).
VGG16_OUTPUTS = {
    "conv1_1": 12.25,
    "conv1_2": 12.25,
    "pool1": 3.0625,
    "conv2_1": 6.125,
    "conv2_2": 6.125,
    "pool2": 1.53125,
    "conv3_1": 3.0625,
    "conv3_2": 3.0625,
    "conv3_3": 3.0625,
    "pool3": 0.765625,
    "conv4_1": 1.53125,
    "conv4_2": 1.53125,
    "conv4_3": 1.53125,
    "pool4": 0.3828125,
    "conv5_1": 0.3828125,
    "conv5_2": 0.3828125,
    "conv5_3": 0.3828125,
    "pool5": 0.095703125,
}
VGG16_WEIGHTS = {
    "conv1_1": 1_728,
    "conv1_2": 36_864,
    "conv2_1": 73_728,
    "conv2_2": 147_456,
    "conv3_1": 294_912,
    "conv3_2": 589_824,
    "conv3_3": 589_824,
    "conv4_1": 1_179_648,
    "conv4_2": 2_359_296,
    "conv4_3": 2_359_296,
    "conv5_1": 2_359_296,
    "conv5_2": 2_359_296,
    "conv5_3": 2_359_296,
    "fc6": 102_760_448,
    "fc7": 16_777_216,
    "fc8": 4_096_000,
}


@pytest.fixture(scope="module")
def vgg16():
    return {layer.name: layer for _, layer in load_network("vgg16").layers()}


@pytest.mark.published
@pytest.mark.parametrize(("name", "mebibytes"), VGG16_OUTPUTS.items())
def test_vgg16_output_memory(vgg16, name, mebibytes):
    """Maps of Simonyan and Zisserman 2015, arXiv:1409.1556, table 1, column D."""
    assert vgg16[name].output_elements * 4 / 2**20 == mebibytes


@pytest.mark.published
@pytest.mark.parametrize(("name", "weights"), VGG16_WEIGHTS.items())
def test_vgg16_weights(vgg16, name, weights):
    """Layers of Simonyan and Zisserman 2015, arXiv:1409.1556, table 1, column D."""
    layer = vgg16[name]
    assert layer.parameters - layer.output_shape[0] == weights
    assert layer.forward[0].weights == weights


@pytest.mark.published
def test_vgg16_memory_as_printed(vgg16):
    """Stanford CS231n, notes on convolutional networks, "VGGNet in detail" (cs231n/cs231n.github.io,
    convolutional-networks.md): 93 MB an image are 24 million numbers, of which the list above has 15.2.
    """
    printed = {"conv1_1": 3.2e6, "pool1": 800e3, "conv2_1": 1.6e6, "pool2": 400e3, "conv3_1": 800e3}
    for name, elements in printed.items():
        assert vgg16[name].output_elements == pytest.approx(elements, rel=0.02)
    weights = [vgg16[name].forward[0].weights for name in ("fc6", "fc7", "fc8")]
    assert weights == [102_760_448, 16_777_216, 4_096_000]
    outputs = sum(
        layer.output_elements
        for layer in vgg16.values()
        if layer.kind in {"convolution", "pooling", "linear"}
    )
    assert outputs + 224 * 224 * 3 == 15_237_608


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("alexnet", [(96, 55, 55), (256, 27, 27), (384, 13, 13), (384, 13, 13), (256, 13, 13)]),
        ("overfeat", [(96, 56, 56), (256, 24, 24), (512, 12, 12), (1024, 12, 12), (1024, 12, 12)]),
        ("lenet5", [(6, 28, 28), (16, 10, 10)]),
    ],
)
def test_map_sizes(name, shapes):
    """Krizhevsky 2012, section 3.5; Sermanet et al. 2014, arXiv:1312.6229, table 1; LeCun et al. 1998,
    figure 2.
    """
    layers = [layer for _, layer in load_network(name).layers() if layer.kind == "convolution"]
    assert [layer.output_shape for layer in layers] == shapes


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resnet18", (512, 7, 7)),
        ("resnet50", (2048, 7, 7)),
        ("densenet121", (1024, 7, 7)),
        ("googlenet-ceil", (1024, 7, 7)),
        ("inception-v3", (2048, 8, 8)),
    ],
)
def test_last_maps(name, shape):
    """He et al. 2016, table 1; Huang et al. 2017, table 1; Szegedy et al. 2015, table 1, and 2016, table
    1.
    """
    *_, last, _ = load_network(name).blocks
    assert last.layers[-1].output_shape == shape
