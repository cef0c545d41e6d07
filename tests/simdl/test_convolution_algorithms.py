"""The eight algorithms: where each applies, and how time and workspace follow the batch."""

import pytest
from test_cost_model import device
from test_cost_model_convolution import call

from simdl.kernels.costs.convolution import ALGORITHMS, convolution_times
from workloads.operators import ConvolutionShape, Pass

EIGHT = {
    "implicit_gemm",
    "implicit_precomp_gemm",
    "gemm",
    "direct",
    "fft",
    "fft_tiling",
    "winograd",
    "winograd_nonfused",
}
DEVICE = device(convolution=dict.fromkeys(ALGORITHMS, 0.8))
WITHOUT_WORKSPACE = {"implicit_gemm", "direct"}
FIXED = {"winograd"}
"""Workspace holds filters only."""


def offered(request):
    return {cost.algorithm: cost for cost in convolution_times(request, DEVICE, "fp32")}


def test_eight_algorithms_are_known():
    assert set(ALGORITHMS) == EIGHT


@pytest.mark.parametrize("which", Pass)
def test_each_has_a_time_and_a_workspace_that_follow_the_batch(which):
    small, large = offered(call(batch=16, which=which)), offered(call(batch=256, which=which))
    assert set(large) == EIGHT - ({"winograd"} if which is Pass.WEIGHT_GRADIENT else set())
    for name in large:
        assert small[name].time < large[name].time
        if name in WITHOUT_WORKSPACE:
            assert small[name].workspace == large[name].workspace == 0
        elif name in FIXED:
            assert 0 < small[name].workspace == large[name].workspace
        else:
            assert 0 < small[name].workspace < large[name].workspace


@pytest.mark.published
def test_fused_winograd_stores_the_transformed_filters():
    """ResNet-50's res2a_branch2b takes 256 KiB (LBANN, pull request 437: workspace_compression_ps.csv)."""
    request = call(channels=64, filters=64, size=56, batch=256)
    assert offered(request)["winograd"].workspace == 256 * 2**10


@pytest.mark.parametrize("which", Pass)
@pytest.mark.parametrize(
    ("request_", "absent"),
    [
        (call(stride=2), {"fft", "fft_tiling", "winograd", "winograd_nonfused"}),
        (call(groups=2), {"fft", "fft_tiling", "winograd", "winograd_nonfused"}),
        (call(taps=7), {"winograd", "winograd_nonfused"}),
        (call(size=256), {"fft"}),
    ],
)
def test_cudnn_refuses(request_, absent, which):
    request = type(request_)(request_.shape, request_.batch, which)
    extra = {"winograd"} if which is Pass.WEIGHT_GRADIENT else set()
    grouped = {"grouped_direct"} if request.shape.groups > 1 else set()
    assert set(offered(request)) == (EIGHT - absent - extra) | grouped


def test_a_spectrum_needs_padding_smaller_than_the_filter():
    def padded(outputs):
        shape = ConvolutionShape(
            in_channels=8,
            out_channels=8,
            in_height=16,
            in_width=16,
            out_height=outputs,
            out_width=outputs,
            kernel_height=1,
            kernel_width=1,
        )
        return set(offered(type(call())(shape, 4, Pass.FORWARD)))

    assert {"fft", "fft_tiling"} <= padded(16)
    assert not {"fft", "fft_tiling"} & padded(18)
