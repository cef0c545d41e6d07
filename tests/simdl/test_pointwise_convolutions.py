"""Filters of one pixel on devices that run them as matrix products: as fast as those, in every pass."""

from dataclasses import replace

import pytest

from hardware.profiles import load_device
from simdl.kernels.costs.convolution import convolution_times, reduced_product
from simdl.kernels.costs.matmul import matmul_time
from simdl.kernels.kernel import ConvolutionCall
from workloads.operators import ConvolutionShape, Pass

DEVICE = load_device("rtx-3090")
PATCHES = replace(DEVICE, convolution=replace(DEVICE.convolution, pointwise=0.0))


def call(which=Pass.FORWARD, *, kernel=1, stride=1):
    shape = ConvolutionShape(
        in_channels=256,
        out_channels=64,
        in_height=56,
        in_width=56,
        out_height=56 // stride,
        out_width=56 // stride,
        kernel_height=kernel,
        kernel_width=kernel,
        stride_height=stride,
        stride_width=stride,
    )
    return ConvolutionCall(shape, 32, which)


@pytest.mark.theory
@pytest.mark.parametrize("which", list(Pass))
def test_a_pixel_wide_filter_is_a_matrix_product_in_every_pass(which):
    found = min(cost.time for cost in convolution_times(call(which), DEVICE, "fp16"))
    assert found == matmul_time(reduced_product(call(which)), DEVICE, "fp16")


@pytest.mark.theory
@pytest.mark.parametrize(
    ("asked", "dtype"),
    [(call(kernel=3), "fp16"), (call(stride=2), "fp16"), (call(), "fp32")],
)
def test_other_filters_and_other_units_are_as_their_algorithms_are(asked, dtype):
    assert convolution_times(asked, DEVICE, dtype) == convolution_times(asked, PATCHES, dtype)


@pytest.mark.theory
def test_devices_with_tables_of_convolutions_keep_to_them():
    assert load_device("v100-sxm2-16gb").convolution.pointwise == 0
