"""U-Nets and CosmoFlow: parameters by hand, map sizes as printed, torch's own counts for volumes."""

from itertools import pairwise

import pytest

from planner.console.answers.model_table import forward_macs
from workloads.errors import NetworkError
from workloads.layers.images.convolution import convolution, transposed_convolution
from workloads.layers.images.pooling import max_pool
from workloads.operators import Pass
from workloads.registry import load_network, registered_name
from workloads.tensors import Tensor

VOLUME = Tensor("input", (4, 16, 32, 64))


def unet_parameters(widths, *, modalities, classes, taps, up_taps):
    """Pairs of convolutions with scale and shift a level, transposed convolutions with bias, classes."""
    convolutions = taps * modalities * widths[0] + taps * widths[0] ** 2
    convolutions += sum(taps * (a * b + b * b) for a, b in pairwise(widths))
    convolutions += sum(taps * (2 * a * a + a * a) for a in widths[:-1])
    norms = 2 * (2 * sum(widths) + 2 * sum(widths[:-1]))
    ups = sum(up_taps * b * a + a for a, b in pairwise(widths))
    return convolutions + norms + ups + widths[0] * classes + classes


@pytest.mark.theory
@pytest.mark.parametrize(
    ("name", "widths", "sizes"),
    [
        ("nnunet-2d", (32, 64, 128, 256, 512, 512), {"modalities": 4, "classes": 4, "taps": 9, "up_taps": 4}),
        (
            "nnunet-3d",
            (32, 64, 128, 256, 320, 320),
            {"modalities": 4, "classes": 4, "taps": 27, "up_taps": 8},
        ),
        ("unet3d", (32, 64, 128, 256, 320, 320), {"modalities": 1, "classes": 3, "taps": 27, "up_taps": 8}),
    ],
)
def test_nnunets_have_the_parameters_of_their_levels(name, widths, sizes):
    assert load_network(name).parameters == unet_parameters(widths, **sizes)


@pytest.mark.published
def test_unet_shrinks_as_its_figure_says():
    """Figure 1: 572 pixels in, 388 out; 28 x 28 maps of 1,024 channels at the bottom."""
    layers = {layer.name: layer for _, layer in load_network("unet").layers()}
    assert layers["down1_conv1"].output_shape == (64, 570, 570)
    assert layers["bottom_conv2"].output_shape == (1024, 28, 28)
    assert layers["up4"].output_shape == (512, 56, 56)
    assert layers["classes"].output_shape == (2, 388, 388)


@pytest.mark.published
def test_cosmoflow_has_its_published_parameters():
    """8,907,556: README of "Documentation and code for ML benchmarking and reframe testing"
    (chris-ml-intern), table of tasks, row CosmoFlow.
    """
    network = load_network("cosmoflow")
    assert network.parameters == 8_907_556
    assert network.blocks[0].layers[0].output_shape == (32, 128, 128, 128)


@pytest.mark.theory
def test_a_volume_costs_its_three_extents():
    layer = convolution("conv", VOLUME, out_channels=8, kernel=3, stride=(1, 2, 2), padding=1)
    assert layer.output_shape == (8, 16, 16, 32)
    assert layer.parameters == 27 * 4 * 8 + 8
    assert layer.forward[0].flops == 2 * 27 * 4 * 8 * 16 * 16 * 32


@pytest.mark.theory
@pytest.mark.parametrize("kernel", [2, 3])
def test_a_transposed_convolution_is_the_reverse_of_its_convolution(kernel):
    layer = transposed_convolution("up", VOLUME, out_channels=8, kernel=kernel, stride=2)
    back = convolution(
        "down", Tensor("up", layer.output_shape), out_channels=4, kernel=2, stride=2, bias=False
    )
    assert layer.output_shape == (8, 32, 64, 128)
    assert back.output_shape == VOLUME.shape
    assert layer.parameters == kernel**3 * 4 * 8 + 8
    for which in Pass:
        assert layer.operators(which)[0].flops == 2 * kernel**3 * 4 * 8 * 16 * 32 * 64
    assert layer.forward[0].convolved(Pass.FORWARD) is Pass.INPUT_GRADIENT
    assert layer.input_gradient[0].convolved(Pass.INPUT_GRADIENT) is Pass.FORWARD
    assert layer.weight_gradient[0].convolved(Pass.WEIGHT_GRADIENT) is Pass.WEIGHT_GRADIENT


def test_larger_patches_cost_in_proportion():
    small, large = (load_network("nnunet-3d", image_size=size) for size in (64, 128))
    assert forward_macs(large) == 8 * forward_macs(small)
    assert registered_name("3d-unet") == "unet3d"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: load_network("nnunet-2d", image_size=100), "expected multiples of 32"),
        (
            lambda: convolution("conv", VOLUME, out_channels=8, kernel=(3, 3)),
            "expected one number or one for each axis",
        ),
        (
            lambda: transposed_convolution("up", VOLUME, out_channels=8, kernel=1, stride=2),
            "expected a filter no smaller than its stride",
        ),
        (
            lambda: max_pool("pool", Tensor("input", (8,)), kernel=2),
            "expected .channels, height, width. or a depth",
        ),
        (lambda: load_network("unet", image_size=100), "expected a window that fits"),
    ],
)
def test_impossible_extents_are_refused(build, message):
    with pytest.raises(NetworkError, match=message):
        build()


@pytest.mark.theory
def test_the_unet_for_surfaces_is_counted_by_hand():
    """Nine taps and a bias a filter, four taps upwards: 1.85 M, as NVIDIA's example prints for tinyUNet."""
    pairs = [(1, 32, 32), (32, 32, 32), (32, 64, 64), (64, 128, 128), (128, 256, 256)]
    pairs += [(256, 128, 64), (128, 64, 32), (64, 32, 16), (48, 32, 32)]
    convolutions = sum(9 * a * b + b + 9 * b * c + c for a, b, c in pairs)
    upwards = sum(4 * a * b + b for a, b in ((256, 128), (64, 64), (32, 32), (16, 16)))
    network = load_network("unet-industrial")
    assert network.parameters == convolutions + upwards + 33 == 1_850_305


def test_sizes_that_do_not_halve_four_times_are_refused():
    with pytest.raises(NetworkError, match="image_size: found 500; expected a multiple of 16"):
        load_network("unet-industrial", image_size=500)
