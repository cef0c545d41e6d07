"""Work of layers as closed forms: Ben-Nun and Hoefler 2018, arXiv:1802.09941, table 4, with its symbols.

Works are operations of N samples; builders count one sample, so N = 1 throughout. A product is two flops.
"""

import pytest

from workloads.layers.activation import relu
from workloads.layers.images.convolution import convolution
from workloads.layers.images.normalization import batch_norm
from workloads.layers.images.pooling import average_pool, max_pool
from workloads.layers.linear import linear
from workloads.operators import Pass
from workloads.tensors import Tensor

pytestmark = pytest.mark.theory


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (64, 56, 56)])
def test_activation_work_is_one_operation_an_element(shape):
    channels, height, width = shape
    layer = relu("relu", Tensor("x", shape))
    assert layer.flops(Pass.FORWARD) == channels * height * width
    assert layer.flops(Pass.INPUT_GRADIENT) == channels * height * width
    assert layer.flops(Pass.WEIGHT_GRADIENT) == 0


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (120, 84), (25088, 4096)])
def test_fully_connected_work_is_the_matrix(inputs, outputs):
    layer = linear("fc", Tensor("x", (inputs,)), out_features=outputs, bias=False)
    for which in Pass:
        assert layer.flops(which) == 2 * outputs * inputs
    assert layer.parameters == outputs * inputs


def test_fully_connected_bias_adds_one_operation_an_output():
    layer = linear("fc", Tensor("x", (120,)), out_features=84)
    assert layer.flops(Pass.FORWARD) == 2 * 120 * 84 + 84
    assert layer.flops(Pass.WEIGHT_GRADIENT) == 2 * 120 * 84 + 84
    assert layer.flops(Pass.INPUT_GRADIENT) == 2 * 120 * 84
    assert layer.parameters == 121 * 84


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (5, 3)])
@pytest.mark.parametrize(("c_in", "c_out"), [(1, 1), (3, 8), (16, 4)])
def test_direct_convolution_work(kernel, c_in, c_out):
    k_y, k_x = kernel
    height, width = 12, 10
    padding = (k_y // 2, k_x // 2)
    image = Tensor("x", (c_in, height, width))
    layer = convolution("conv", image, out_channels=c_out, kernel=kernel, padding=padding, bias=False)
    assert layer.output_shape == (c_out, height, width)
    for which in Pass:
        assert layer.flops(which) == 2 * c_out * c_in * height * width * k_x * k_y
    assert layer.parameters == c_out * c_in * k_x * k_y


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_groups_divide_work_and_parameters(groups):
    image = Tensor("x", (8, 12, 12))
    layer = convolution("conv", image, out_channels=16, kernel=3, padding=1, groups=groups, bias=False)
    assert layer.flops(Pass.FORWARD) * groups == 2 * 16 * 8 * 144 * 9
    assert layer.parameters * groups == 16 * 8 * 9


def test_strided_convolution_counts_its_outputs():
    layer = convolution("conv", Tensor("x", (3, 224, 224)), out_channels=64, kernel=7, stride=2, padding=3)
    assert layer.output_shape == (64, 112, 112)
    outputs = 64 * 112 * 112
    assert layer.flops(Pass.FORWARD) == 2 * outputs * 3 * 49 + outputs


@pytest.mark.parametrize("pool", [max_pool, average_pool])
@pytest.mark.parametrize("kernel", [2, 3])
def test_pooling_work_is_the_window_of_every_output(pool, kernel):
    channels, height, width = 4, 12, 18
    layer = pool("pool", Tensor("x", (channels, height, width)), kernel=kernel, stride=1)
    outputs = channels * (height - kernel + 1) * (width - kernel + 1)
    assert layer.flops(Pass.FORWARD) == outputs * kernel * kernel
    assert layer.flops(Pass.INPUT_GRADIENT) == outputs * kernel * kernel


def test_pooling_without_overlap_touches_every_element_once():
    layer = max_pool("pool", Tensor("x", (4, 12, 18)), kernel=2)
    assert layer.flops(Pass.FORWARD) == 4 * 12 * 18


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (64, 56, 56)])
def test_batch_norm_work_is_proportional_to_the_elements(shape):
    channels, height, width = shape
    layer = batch_norm("bn", Tensor("x", shape))
    elements = channels * height * width
    assert layer.flops(Pass.FORWARD) == (3 + 2) * elements
    assert layer.flops(Pass.INPUT_GRADIENT) == (5 + 4) * elements
    assert layer.parameters == 2 * channels
